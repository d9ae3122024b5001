// What can lose data or split a cluster in a home-made recipe: a keepalived.conf and the scripts that it calls.

export interface SourceText {
  readonly path: string
  readonly text: string
}

export interface Hazard {
  readonly path: string
  /** From 1. */
  readonly line: number
  readonly what: string
  readonly instead: string
}

interface Rule {
  readonly pattern: RegExp
  readonly what: string
  readonly instead: string
  /** The rule holds only in a text that also matches this. */
  readonly when?: RegExp
  /** And only in one that does not match this. */
  readonly unless?: RegExp
}

const GENERATED = 'the configuration that "mfsha keepalived-config" writes'
const REPLICATED = 'HA_MODE = etcd: the other master has every acknowledged change already'

const keepalivedRules: readonly Rule[] = [
  {
    pattern: /^\s*state\s+MASTER\b/,
    what: 'this host takes the address whenever it comes up, even with older metadata than the host that serves now',
    instead: 'state BACKUP on every host, with nopreempt',
  },
  {
    pattern: /^\s*nopreempt\b/,
    when: /^\s*state\s+MASTER\b/m,
    what: 'nopreempt has no effect together with state MASTER',
    instead: 'state BACKUP on every host',
  },
  {
    pattern: /^\s*vrrp_instance\b/,
    unless: /^\s*nopreempt\b/m,
    what: 'without nopreempt a host that returns takes the address away from the one that serves',
    instead: 'nopreempt, and state BACKUP on every host',
  },
  {
    pattern: /^\s*weight\s+-?[1-9]/,
    what:
      'a weight only changes the priority: where the check fails on both hosts, or with nopreempt, the address stays on ' +
      'the host whose master is dead',
    instead: 'weight 0: a failed check takes the address away',
  },
  {
    pattern: /^\s*auth_type\s+PASS\b/,
    what: 'the password is sent in clear and protects nothing; any host in the network can take the address',
    instead:
      'unicast peers in a network that is yours alone; fencing that does not depend on the address (HA_MODE = etcd)',
  },
  {
    pattern: /^\s*vrrp_instance\b/,
    unless: /^\s*unicast_peer\b/m,
    what: 'when the two hosts do not see each other both have the address, and two masters take changes: nobody decides which counts',
    instead: 'HA_MODE = etcd: whoever has the address, only the elected master answers',
  },
  {
    pattern: /^\s*notify(?:_master|_backup|_stop)?\b/,
    what: 'notify scripts run in no certain order, late or twice, while the master may be in any state',
    instead: 'no notify script: masters know themselves who leads, and the address follows',
  },
  {
    pattern: /^\s*interval\s+(?:[2-9]|\d{2,})/,
    what: 'a dead master is found only after this many seconds times the number of failed checks',
    instead: GENERATED,
  },
]

const scriptRules: readonly Rule[] = [
  {
    pattern: /\b(?:ps\s+-C|pgrep|pidof|netstat|ss\s+-)/,
    what: 'the check asks whether a process or port is there: one that hangs, is stopped or is still loading passes',
    instead: `a check that the master leads and is alive: ${GENERATED}`,
  },
  {
    pattern: /\bmfsmaster\s+(?:-\S+\s+)*start\b/,
    what: 'a check that starts a master starts one on both hosts, from whatever metadata lies there',
    instead: 'masters run on all hosts all the time; only the elected one serves',
  },
  {
    pattern:
      /\b(?:kill(?:all)?|pkill)\s+.*-9.*keepalived|\b(?:kill(?:all)?|pkill)\s+-9\b.*keepalived|keepalived.*\bkill\s+-9/,
    what: 'kill -9 of keepalived leaves the address on this host: then both hosts have it',
    instead: 'stop keepalived in order, or better: a check of weight 0',
  },
  {
    pattern: /\bkill(?:all)?\b.*mfscgiserv|mfscgiserv.*\bkill\b/,
    what: 'the monitor is killed with the master, just when somebody wants to look',
    instead: 'leave the monitor alone',
  },
  {
    pattern: /\bsleep\s+\d/,
    what: 'a fixed pause is too long when all is well and too short for a large file system that is still loading',
    instead: 'a master tells when it serves: "mfsha status"',
  },
  {
    pattern: /\brm\s+(?:-\w+\s+)*\S*/,
    when: /\brsync\b|\bscp\b|\bmfsmetarestore\b|\bcp\b/,
    what:
      'this host deletes its metadata before it has anything better: when the other host cannot be reached, which is why it ' +
      'takes over, nothing is left',
    instead: `nothing is ever deleted: ${REPLICATED}`,
  },
  {
    pattern: /\b(?:rsync|scp|unison)\b/,
    what: 'files of a running or dead master are copied: the newest changes are not on its disk or not in the copy, and a line may be cut in two',
    instead: REPLICATED,
  },
  {
    pattern: /\b(?:rsync|ssh|scp)\b.*\b(?:root@|ssh\b)/,
    what: 'each master can log in to the other as root: who takes one host has both',
    instead: 'HA_AUTH_CODE between the masters, no login',
  },
  {
    pattern: /\bmfsmaster\s+(?:-\S+\s+)*stop\b/,
    when: /\b(?:rsync|rm)\b/,
    what: 'the master of the host that is about to serve is stopped first: clients wait for all that follows',
    instead: 'a follower that is elected serves at once',
  },
  {
    pattern: /\bmfsmetarestore\b/,
    what: 'whatever changelogs are there are replayed; nothing tells that the last ones are missing',
    instead: 'epochs and an in-sync set tell who has everything (HA_MODE = etcd)',
  },
  {
    pattern: /\bmfsmaster\s+-\w*i/,
    what: '-i goes on over gaps and metadata of other file systems: files disappear without a word',
    instead: 'mfsmaster without -i: it refuses, and says what is missing',
  },
]

const isKeepalived = (text: string) => /^\s*(?:vrrp_instance|vrrp_script|global_defs)\b/m.test(text)
const isComment = (line: string) => /^\s*(?:#|!)/.test(line)

/** Each hazard at the first line that shows it, in the order of the lines. */
export function findHazards(sources: readonly SourceText[]): Hazard[] {
  return sources.flatMap(({ path, text }) => {
    const lines = text.split('\n')
    const active = lines.map(line => (isComment(line) ? '' : line))
    const whole = active.join('\n')
    const found: Hazard[] = []
    for (const { pattern, when, unless, what, instead } of isKeepalived(whole) ? keepalivedRules : scriptRules) {
      if ((when && !when.test(whole)) || unless?.test(whole)) continue
      const at = active.findIndex(line => pattern.test(line))
      if (at >= 0) found.push({ path, line: at + 1, what, instead })
    }
    return found.sort((a, b) => a.line - b.line)
  })
}
