// Several system calls with one way to a thread of the pool and back. That way takes 25 to 50 us of processor time, more
// than most of the calls, and no function of the system's libraries makes several of our choice. So here is one, for the
// processors that it was written for. It goes through records of 64-bit numbers
//
//   number  argument 1  argument 2  argument 3  argument 4  result  least
//
// until a result is less than `least`. FIRST_RESULT as first argument is the result of the first call.
import koffi from 'koffi'
import { assert } from '../util/assert.ts'

const FIRST_RESULT = -1
const RECORD_BYTES = 7 * 8
const [ARGUMENTS_AT, RESULT_AT, LEAST_AT] = [8, 5 * 8, 6 * 8]
/** Of most sequences. */
const FEW_CALLS = 6
/** struct iovec of 64-bit Linux: address:64 length:64. */
const VECTOR_BYTES = 16
/** What one call takes. */
export const PARTS_MAX = 1024
/** At a time; koffi allows 256 asynchronous calls. */
const SEQUENCES_MAX = 128

/** `long run(record *next, long count)`: how many calls were not made as wanted. */
const X86_64 = [
  '53', // push rbx
  '55', // push rbp
  '4154', // push r12
  '4889fb', // mov rbx, rdi           the next record
  '4889f5', // mov rbp, rsi           how many are left
  '49c7c4ffffffff', // mov r12, -1    the first result
  '488b03', // next: mov rax, [rbx]
  '488b7b08', // mov rdi, [rbx+8]
  '488b7310', // mov rsi, [rbx+16]
  '488b5318', // mov rdx, [rbx+24]
  '4c8b5320', // mov r10, [rbx+32]
  '4883ffff', // cmp rdi, -1
  '490f44fc', // cmove rdi, r12
  '0f05', // syscall
  '48894328', // mov [rbx+40], rax
  '4d85e4', // test r12, r12
  '4c0f48e0', // cmovs r12, rax
  '483b4330', // cmp rax, [rbx+48]
  '7c09', // jl end
  '4883c338', // add rbx, 56
  '48ffcd', // dec rbp
  '75c9', // jnz next
  '4889e8', // end: mov rax, rbp
  '415c', // pop r12
  '5d', // pop rbp
  '5b', // pop rbx
  'c3', // ret
]
const numbers = { open: 2, close: 3, fsync: 74, ftruncate: 77, pwritev: 296 } as const
/** No result is less. */
const ANY_RESULT = -4095

type NativeFunction = ReturnType<ReturnType<typeof koffi.load>['func']>

/** Undefined where there is no such function, or none may be made. */
const run = process.arch === 'x64' ? made(Buffer.from(X86_64.join(''), 'hex')) : undefined

function made(code: Buffer): NativeFunction | undefined {
  const libc = koffi.load(null)
  const mmap = libc.func('void *mmap(void *, size_t, int, int, int, long)')
  const mprotect = libc.func('int mprotect(void *, size_t, int)')
  const memcpy = libc.func('void *memcpy(void *, const void *, size_t)')
  const [PROT_READ, PROT_WRITE, PROT_EXEC, MAP_PRIVATE, MAP_ANONYMOUS] = [1, 2, 4, 2, 0x20]
  const page = mmap(null, code.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  if (koffi.address(page) === 0xffffffffffffffffn) return undefined
  memcpy(page, code, code.length)
  if (mprotect(page, code.length, PROT_READ | PROT_EXEC) !== 0) return undefined
  return koffi.decode(page, koffi.proto('long run_calls(void *, long)'))
}

let going = 0

export interface CallResults {
  /** So many calls, from the first, did all they should. */
  readonly done: number
  /** What a call returned that was made: less than 0 is the number of an error, negative. */
  of(call: number): number
}

/** System calls to be made one after the other. */
export class CallSequence {
  #records: Buffer = Buffer.alloc(FEW_CALLS * RECORD_BYTES)
  #count = 0
  /** What the calls read stays where it is until they are done. */
  readonly #kept: Buffer[] = []

  /** Whether run() can be asked now. */
  static get isPossible(): boolean {
    return run !== undefined && going < SEQUENCES_MAX
  }

  open(path: string, flags: number, mode: number): void {
    this.#add(numbers.open, 0, this.#address(Buffer.from(`${path}\0`)), flags, mode)
  }

  /** @param fd of the file; undefined: the one that the first call opened */
  truncate(fd: number | undefined, size: number): void {
    this.#add(numbers.ftruncate, 0, descriptor(fd), size)
  }

  /** All of at most PARTS_MAX buffers, one after the other. */
  write(fd: number | undefined, parts: readonly Buffer[], position: number): void {
    const vector = Buffer.allocUnsafe(parts.length * VECTOR_BYTES)
    let bytes = 0
    for (const [i, part] of parts.entries()) {
      vector.writeBigUInt64LE(this.#address(part), i * VECTOR_BYTES)
      put64(vector, i * VECTOR_BYTES + 8, part.length)
      bytes += part.length
    }
    this.#add(numbers.pwritev, bytes, descriptor(fd), this.#address(vector), parts.length, position)
  }

  /** The calls after it are made whatever comes of it. @param fd as of truncate() */
  sync(fd: number | undefined): void {
    this.#add(numbers.fsync, ANY_RESULT, descriptor(fd))
  }

  /** The calls after it are made whatever comes of it. @param fd as of truncate() */
  close(fd: number | undefined): void {
    this.#add(numbers.close, ANY_RESULT, descriptor(fd))
  }

  #address(bytes: Buffer): bigint {
    this.#kept.push(bytes)
    return koffi.address(bytes)
  }

  #add(number: number, least: number, ...values: readonly (number | bigint)[]): void {
    const at = this.#count++ * RECORD_BYTES
    if (at === this.#records.length) this.#records = Buffer.concat([this.#records, Buffer.alloc(at)])
    put64(this.#records, at, number)
    put64(this.#records, at + LEAST_AT, least)
    for (const [i, value] of values.entries()) put64(this.#records, at + ARGUMENTS_AT + 8 * i, value)
  }

  async run(): Promise<CallResults> {
    assert(run, 'there is a way to make several calls')
    const [records, count, kept] = [this.#records, this.#count, this.#kept]
    if (count === 0) return { done: 0, of: () => -1 }
    going++
    return new Promise((resolve, reject) => {
      run.async(records, count, (error: Error | null, left: number) => {
        going--
        kept.length = 0
        if (error) reject(error)
        else resolve({ done: count - left, of: i => Number(records.readBigInt64LE(i * RECORD_BYTES + RESULT_AT)) })
      })
    })
  }
}

const descriptor = (fd: number | undefined) => fd ?? FIRST_RESULT

/** Two's complement, little-endian. @param value a whole number, at most 2^53 from 0; an address as bigint */
function put64(target: Buffer, at: number, value: number | bigint): void {
  if (typeof value === 'bigint') return void target.writeBigUInt64LE(value, at)
  target.writeInt32LE(value | 0, at)
  target.writeInt32LE(Math.floor(value / 0x100000000), at + 4)
}
