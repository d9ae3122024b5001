// What an option of a configuration file is: declared once, it gives parser, type, default and help.

/** What came of reading one value. `note`: it was taken, but not as written. `wrong`: what to write instead. */
export type Parsed<T> = { value: T; note?: string } | { wrong: string }

/** A way to write values of one type. */
export interface Kind<T> {
  /** For help texts: `whole number 0..1000`. */
  readonly form: string
  parse(text: string): Parsed<T>
  /** As it is written in a file. */
  print(value: T): string
}

export interface Option<T> {
  readonly kind: Kind<T>
  readonly default: T
  /** One sentence for the person who sets it. */
  readonly doc: string
  readonly unit?: string
  /** Names in older files, with what turns the old value into the new one. */
  readonly oldNames?: Readonly<Record<string, (text: string) => string>>
  /** Can only be set at start. */
  readonly needsRestart?: boolean
  /** Accepted without effect; the reason. A file that sets it gets a warning. */
  readonly ignored?: string
}

/** The options of one program, by the names they have in its file. */
export type Options = Readonly<Record<string, Option<unknown>>>

export type Values<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never }

/** All that one program's file can say. */
export interface ConfigFile<O extends Options> {
  /** `mfsmaster`: its file is `mfsmaster.cfg`. */
  readonly program: string
  readonly options: O
  /**
   * Rules between options: gives the values to use in place of those that were read, and messages about it.
   * `isSet` tells whether the file has the option.
   */
  readonly reconcile?: (
    values: Values<O>,
    isSet: (name: keyof O) => boolean,
  ) => { values: Partial<Values<O>>; notes: string[] }
}

/** Keeps the literal types of a declaration. */
export function configFile<O extends Options>(file: ConfigFile<O>): ConfigFile<O> {
  return file
}

/** The same text under another name. */
export const sameValue = (text: string) => text
