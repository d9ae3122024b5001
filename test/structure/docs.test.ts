// What the pages point at is there.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')
const pages = [root, join(root, 'docs')].flatMap(folder =>
  readdirSync(folder)
    .filter(name => name.endsWith('.md'))
    .map(name => join(folder, name)),
)

test('every link of a page leads to a file', () => {
  const broken: string[] = []
  for (const page of pages) {
    for (const [, target = ''] of readFileSync(page, 'utf8').matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(target) || existsSync(join(dirname(page), target))) continue
      broken.push(`${relative(root, page)}: ${target}`)
    }
  }
  assert.deepEqual(broken, [])
})

test('every script that a page names is a script of the package', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const unknown: string[] = []
  for (const page of pages) {
    for (const [, name = ''] of readFileSync(page, 'utf8').matchAll(/npm run ([\w:-]+)/g)) {
      if (!(name in scripts)) unknown.push(`${relative(root, page)}: npm run ${name}`)
    }
    for (const [, path = ''] of readFileSync(page, 'utf8').matchAll(
      /`((?:src|test|bench|bin|docs|scripts)\/[\w./-]*)`/g,
    )) {
      if (!existsSync(join(root, path))) unknown.push(`${relative(root, page)}: ${path}`)
    }
  }
  assert.deepEqual(unknown, [])
})
