// Style, script and icon: files beside this one, each known by what is in it, so that browsers keep it for good.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Reply, reply } from './reply.ts'

const TYPES = {
  'monitor.css': 'text/css; charset=utf-8',
  'monitor.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const
type AssetName = keyof typeof TYPES

const FOR_GOOD = { 'Cache-Control': 'public, max-age=31536000, immutable' }

interface Asset {
  readonly url: string
  readonly reply: Reply
}

function load(name: AssetName): Asset {
  const contents = readFileSync(join(import.meta.dirname, 'assets', name))
  const digest = createHash('sha256').update(contents).digest('hex').slice(0, 16)
  return { url: `assets/${name}?v=${digest}`, reply: reply(TYPES[name], contents, FOR_GOOD) }
}

const assets: Readonly<Record<AssetName, Asset>> = {
  'monitor.css': load('monitor.css'),
  'monitor.js': load('monitor.js'),
  'icon.svg': load('icon.svg'),
}

/** For pages. */
export const assetUrl = (name: AssetName) => assets[name].url

/** @returns undefined when there is no such file */
export const assetReply = (name: string): Reply | undefined =>
  Object.hasOwn(assets, name) ? assets[name as AssetName].reply : undefined
