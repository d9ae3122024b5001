// How a dump writes numbers, names and addresses: the forms of mfsmetadump (spec metadata 7.1).

const FULL_BYTES = 1 << 16

/** Collects lines and hands them out in large pieces. */
export class DumpOutput {
  #held = ''
  readonly #write: (latin1: string) => Promise<void>
  readonly #dots: boolean

  /** @param dots a dot in place of every byte of a name that is not printable ASCII */
  constructor(write: (latin1: string) => Promise<void>, dots: boolean) {
    this.#write = write
    this.#dots = dots
  }

  line(text: string): void {
    this.#held += `${text}\n`
  }

  /** To be called after every record, so that memory stays small. Undefined while there is room. */
  flushIfFull(): Promise<void> | undefined {
    return this.#held.length > FULL_BYTES ? this.flush() : undefined
  }

  async flush(): Promise<void> {
    const held = this.#held
    this.#held = ''
    if (held !== '') await this.#write(held)
  }

  /** A name as it is shown; DEL counts as printable, as in the original. */
  name(bytes: string): string {
    return this.#dots ? bytes.replace(/[^ -\x7f]/g, '.') : bytes
  }
}

/** Right-aligned decimal. */
export const right = (value: number | bigint, width = 10) => String(value).padStart(width)

/** Capital hexadecimal with leading zeros. */
export const hex = (value: number | bigint, width: number) => value.toString(16).toUpperCase().padStart(width, '0')

/** Octal with leading zeros. */
export const octal = (value: number, width: number) => value.toString(8).padStart(width, '0')

/** `010.000.000.001` */
export function address(ip: number): string {
  return [ip >>> 24, (ip >> 16) & 255, (ip >> 8) & 255, ip & 255].map(part => String(part).padStart(3, '0')).join('.')
}
