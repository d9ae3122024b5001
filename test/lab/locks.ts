// Exclusive locks on the lab's mounts: one process holds a lock, another one tries to get it through another mount.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from './lab.ts'

/** Takes a lock that waits, or tells at once that it is taken (exit code 1). */
const programs = {
  flock: (file: string, then: string, isWaiting: boolean) => `flock ${isWaiting ? '' : '-n '}${file} sh -c '${then}'`,
  fcntl: (file: string, then: string, isWaiting: boolean) =>
    `python3 -c "
import fcntl, os, sys
file = open('${file}', 'r+')
try:
    fcntl.lockf(file, fcntl.LOCK_EX${isWaiting ? '' : ' | fcntl.LOCK_NB'})
except BlockingIOError:
    sys.exit(1)
sys.exit(os.system('''${then}''') >> 8)"`,
} as const
type LockKind = keyof typeof programs
const kinds = Object.keys(programs) as LockKind[]

/** Two of them for each kind of lock: the first has it until released, the other one tries all the time. */
export class HeldLocks {
  readonly #lab: Lab
  readonly #path = (name: string) => join(this.#lab.folder, `lock-${name}`)

  /**
   * @param holder mount through which the locks are held
   * @param rival mount through which they are tried
   */
  static async take(lab: Lab, holder: string, rival: string): Promise<HeldLocks> {
    const locks = new HeldLocks(lab)
    for (const kind of kinds) await locks.#take(kind, holder, rival)
    return locks
  }

  private constructor(lab: Lab) {
    this.#lab = lab
  }

  async #take(kind: LockKind, holder: string, rival: string): Promise<void> {
    const [held, release, tries, stolen] = ['held', 'release', 'tries', 'stolen'].map(name =>
      this.#path(`${kind}-${name}`),
    )
    const program = programs[kind]
    this.#lab.shell('client', `: > ${holder}/${kind}`)
    const hold = `: > ${held}; until [ -e ${release} ]; do sleep 0.1; done`
    this.#lab.background(`lock-${kind}-holder`, 'client', program(`${holder}/${kind}`, hold, true))
    await this.#lab.until(`${kind} is held`, 30, () => existsSync(held as string))
    // It stops when it gets it, so that the time is known.
    const attempt = program(`${rival}/${kind}`, `[ -e ${release} ] || : > ${stolen}`, false)
    const script = `until ${attempt}; do echo >> ${tries}; sleep 0.1; done`
    this.#lab.background(`lock-${kind}-rival`, 'client', script)
    await this.#lab.until(`${kind} is refused`, 30, () => existsSync(tries as string))
  }

  /** Kinds that a second process got while the first one had them; tells whoever holds them that they are not needed. */
  async release(): Promise<LockKind[]> {
    for (const kind of kinds) this.#lab.shell('client', `: > ${this.#path(`${kind}-release`)}`)
    for (const kind of kinds) {
      await this.#lab.until(`${kind} goes to who waits`, 60, () => !this.#lab.isRunning(`lock-${kind}-rival`))
    }
    return kinds.filter(kind => existsSync(this.#path(`${kind}-stolen`)))
  }
}
