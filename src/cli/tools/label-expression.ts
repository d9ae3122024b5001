// Label expressions: which labels the server of each copy shall have, as in `2A , [B+C]D , *` (spec tools-and-admin B.3).
//
//   expression = digit | term {("," | ";") term}
//   term       = [digit] ("*" | or)
//   or         = and {("+" | "|" | "||") and}
//   and        = factor {["*" | "&" | "&&"] factor}
//   factor     = letter | "(" or ")" | "[" or "]"

export const COPIES_MAX = 9
/** Each copy has so many masks, and a server with all labels of one of them is good for it. */
const ALTERNATIVES_MAX = 4

const LONE_DIGIT = /^[ \t]*([1-9])[ \t]*$/
const DIGIT = /^[1-9]/
const ANY = /^\*/
const SEPARATOR = /^[,;]/
const OR = /^(?:\|\|?|\+)/
const AND = /^(?:&&?|\*)/
const LETTER = /^[A-Za-z]/
const OPENING = /^[([]/
const BLANKS = /^[ \t]+/
const CODE_A = 'A'.charCodeAt(0)

/** The masks of each copy, as a ClassDefinition has them; or what is wrong, in lines. */
export type ParsedLabels = { copies: number[][] } | { complaints: string[] }

const unique = (masks: number[]) => [...new Set(masks)].sort((a, b) => a - b)
const padded = (masks: readonly number[]) => Array.from({ length: ALTERNATIVES_MAX }, (_, i) => masks[i] ?? 0)

class Parser {
  readonly complaints: string[] = []
  #rest: string
  #hasTooManyAlternatives = false

  constructor(text: string) {
    this.#rest = text.replace(BLANKS, '')
  }

  expression(): number[][] {
    const copies: number[][] = []
    do {
      // Before the term: that it has mistakes besides is not told.
      if (copies.length === COPIES_MAX) return this.#tooManyCopies()
      const count = Number(this.#take(DIGIT) ?? 1)
      const masks = padded(this.#take(ANY) ? [] : this.#or())
      if (this.complaints.length > 0) return []
      if (copies.length + count > COPIES_MAX) return this.#tooManyCopies()
      for (let i = 0; i < count; i++) copies.push(masks)
    } while (this.#take(SEPARATOR))
    if (this.#rest !== '') this.#complain()
    else if (this.#hasTooManyAlternatives) this.complaints.push(`Too many 'or' groups (max: ${ALTERNATIVES_MAX})`)
    return copies
  }

  #or(): number[] {
    let masks = this.#and()
    while (this.#take(OR)) masks = this.#limited([...masks, ...this.#and()])
    return masks
  }

  #and(): number[] {
    let masks = this.#factor()
    while (this.#take(AND) || LETTER.test(this.#rest) || OPENING.test(this.#rest)) {
      const others = this.#factor()
      masks = this.#limited(masks.flatMap(mask => others.map(other => mask | other)))
    }
    return masks
  }

  #factor(): number[] {
    const letter = this.#take(LETTER)
    if (letter) return [1 << (letter.toUpperCase().charCodeAt(0) - CODE_A)]
    const opening = this.#take(OPENING)
    if (!opening) {
      this.#complain()
      return []
    }
    const masks = this.#or()
    // The original calls the square ones round, too.
    if (!this.#take(opening === '(' ? /^\)/ : /^\]/)) this.#complain('closing round bracket expected, ')
    return masks
  }

  /** Takes what comes next when it is this, and blanks behind it. */
  #take(token: RegExp): string | undefined {
    const found = token.exec(this.#rest)?.[0]
    if (found !== undefined) this.#rest = this.#rest.slice(found.length).replace(BLANKS, '')
    return found
  }

  /** Each step has its limit, or a short text could stand for millions of masks. */
  #limited(masks: number[]): number[] {
    const different = unique(masks)
    if (different.length <= ALTERNATIVES_MAX) return different
    this.#hasTooManyAlternatives = true
    return []
  }

  /** Nothing is skipped and parsing goes on: one mistake may bring more than one line, as it does in the original. */
  #complain(what = ''): void {
    const code = this.#rest === '' ? 0 : this.#rest.charCodeAt(0)
    const isShown = code >= 0x20 && code < 0x80
    const next = isShown ? `char: '${this.#rest[0]}'` : `code: 0x${code.toString(16).toUpperCase().padStart(2, '0')}`
    this.complaints.push(`parse error, ${what}next ${next}`)
  }

  #tooManyCopies(): [] {
    this.complaints.push('parse error, too many copies')
    return []
  }
}

/** @param text bytes (latin1) */
export function parseLabels(text: string): ParsedLabels {
  const digit = LONE_DIGIT.exec(text)?.[1]
  const parser = new Parser(digit === undefined ? text : `${digit}*`)
  const copies = parser.expression()
  return parser.complaints.length > 0 ? { complaints: parser.complaints } : { copies }
}

const lettersOf = (mask: number) =>
  Array.from({ length: 26 }, (_, i) => (mask & (1 << i) ? String.fromCharCode(CODE_A + i) : '')).join('')

/** A mask of zero ends the alternatives; without any, each server is good. */
function copyText(masks: readonly number[]): string {
  const end = masks.indexOf(0)
  const alternatives = end < 0 ? masks : masks.slice(0, end)
  return `[${alternatives.map(lettersOf).join('+') || '*'}]`
}

/** `[A] , [B+C] , [*]`; what has no star in brackets can be parsed again. */
export const formatLabels = (copies: readonly (readonly number[])[]) => copies.map(copyText).join(' , ')
