// What `npm start` shows: messages, and below them the state of the cluster, kept up to date.
import type { Health } from './monitor.ts'

const ERASE_LINE = '\r\x1b[K'

/** One line, for people. `serversWanted`: chunkservers that should be there. */
export function healthText(health: Health | undefined, serversWanted: number): string {
  if (!health) return 'the master does not answer'
  const { serversConnected, folders, files, chunks, undergoal, missing, availableBytes } = health
  const parts = [
    `chunkservers ${serversConnected}/${serversWanted}`,
    `files ${files}`,
    `folders ${folders}`,
    `chunks ${chunks}`,
    ...(undergoal > 0 ? [`with too few copies ${undergoal}`] : []),
    ...(missing > 0 ? [`WITHOUT ANY COPY ${missing}`] : []),
    ...(chunks > 0 && undergoal + missing === 0 ? ['all copies there'] : []),
    `free ${bytesText(availableBytes)}`,
  ]
  return parts.join(' | ')
}

export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** A terminal gets one line that changes; a file or pipe gets a line for each change. */
export class StatusDisplay {
  readonly #write: (text: string) => void
  readonly #isTerminal: boolean
  readonly #columns: () => number
  #line = ''

  constructor(write: (text: string) => void, isTerminal: boolean, columns: () => number) {
    this.#write = write
    this.#isTerminal = isTerminal
    this.#columns = columns
  }

  /** A message, which stays. */
  say(text: string): void {
    if (this.#isTerminal) this.#write(`${ERASE_LINE}${text}\n${this.#cut()}`)
    else this.#write(`${text}\n`)
  }

  show(line: string): void {
    if (line === this.#line) return
    this.#line = line
    this.#write(this.#isTerminal ? ERASE_LINE + this.#cut() : `${line}\n`)
  }

  /** Leaves the cursor on a line of its own. */
  close(): void {
    if (this.#isTerminal && this.#line !== '') this.#write('\n')
    this.#line = ''
  }

  /** A line that wraps could not be erased. */
  #cut(): string {
    return this.#line.slice(0, Math.max(20, this.#columns() - 1))
  }
}
