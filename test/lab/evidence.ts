// What is kept of a run of the laboratory in which an application had an error, so that one such run is enough.
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Lab, masterHosts } from './lab.ts'
import type { LoadReport } from './load.ts'

const WRONG_TOLD = 40
const NAMES_TOLD = 10

/** What went wrong, what the masters' logs tell of it, and where all the rest is kept. */
export function explain(lab: Lab, { lost, strange, errors }: LoadReport): string {
  const wrong = [...lost, ...strange, ...errors]
  if (wrong.length === 0) return ''
  const names = new Set(wrong.flatMap(line => /\b(?:w\d+-|n)\d+/.exec(line)?.[0] ?? []))
  const told = [...names].slice(0, NAMES_TOLD).flatMap(name => linesAbout(lab, name))
  const kept = `logs, changelogs and what went through the network of the client: ${keepEvidence(lab)}`
  return [...wrong.slice(0, WRONG_TOLD), ...told, kept].join('\n')
}

/** Both masters' lines of a name, with those that were moved aside: when it was made and moved, with which answer. */
function linesAbout(lab: Lab, name: string): string[] {
  const says = new RegExp(`[(,]${name}(\\.(new|link|d|s))?[,)]`)
  return masterHosts.flatMap(host =>
    changelogsIn(lab.dataFolder(host)).flatMap(path =>
      readFileSync(path, 'latin1')
        .split('\n')
        .filter(line => says.test(line))
        .map(line => `${path.slice(lab.folder.length + 1)}: ${line}`),
    ),
  )
}

function changelogsIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  return paths.filter(path => /changelog\.\d+\.mfs$/.test(path)).map(path => join(folder, path))
}

/** Copies what all programs said, the masters' data folders and what went through the client's network. @returns where to */
export function keepEvidence(lab: Lab): string {
  const kept = mkdtempSync(join(tmpdir(), 'elkfs-lab-kept-'))
  const names = readdirSync(lab.folder).filter(name => /\.log$|^errors|^journal|\.pcap/.test(name))
  for (const name of [...names, ...masterHosts]) cpSync(join(lab.folder, name), join(kept, name), { recursive: true })
  return kept
}
