// Draws one chart, in the sizes and colours of the original (spec tools-and-admin A.5.8): one column a point, the newest
// on the right; a hatching where nothing is known.
import { LETTER_HEIGHT, LETTER_WIDTH, writeText } from './font.ts'
import { Bitmap, png } from './png.ts'
import type { Scale } from './series.ts'

const GUIDE_PIXELS = 20
const LEFT = 43
const TOP = 6
const MARGIN_WIDTH = 50
const MARGIN_HEIGHT = 20
export const DEFAULT_SIZE = { width: 1000, height: 120 }
const LIMITS = { width: [150, 4146], height: [120, 1020] } as const

const Colour = { NONE: 0, AXIS: 1, TEXT: 2, HATCH: 3, FIRST_SHADE: 4 } as const
const SHADES = 64
/** Evenly from dark to light. */
const GRADIENT = [0x01042c, 0x152f5f, 0x2386b4, 0x04ecf1] as const
const LIGHTEST = GRADIENT.length - 1
/** The part of the gradient from the top of the plot to its bottom: of a single value, and of two layers. */
const WHOLE = [0, LIGHTEST] as const
const UPPER = [LIGHTEST / 2, LIGHTEST] as const
const LOWER = [0, LIGHTEST / 2] as const
/** Where their shades begin. */
const Shades = { WHOLE: Colour.FIRST_SHADE, UPPER: Colour.FIRST_SHADE + SHADES, LOWER: Colour.FIRST_SHADE + 2 * SHADES }

const palette = [0xffffff, 0x000000, 0x5f2000, 0xc0c0c0, ...[WHOLE, UPPER, LOWER].flatMap(shades)]

function shades([from, to]: readonly [number, number]): number[] {
  return Array.from({ length: SHADES }, (_, i) => mixed(from + ((to - from) * i) / (SHADES - 1)))
}

/** The colour at a place of the gradient, 0..3. */
function mixed(place: number): number {
  const index = Math.min(Math.floor(place), LIGHTEST - 1)
  const [from, to] = [GRADIENT[index] as number, GRADIENT[index + 1] as number]
  const channel = (shift: number) => {
    const [a, b] = [(from >>> shift) & 0xff, (to >>> shift) & 0xff]
    return Math.round(a + (b - a) * (place - index)) << shift
  }
  return channel(16) | channel(8) | channel(0)
}

/** A mark on the axis of time. */
export interface TimeMark {
  /** A line over the whole height. */
  isGuide: boolean
  /** What stands below; nothing where it is empty. */
  label: string
}

export interface Picture {
  /** In pixels; cut to what is allowed. */
  size: { width: number; height: number }
  scale: Scale
  /** The parts of a point, the upper one first; NaN where nothing is known. @param age points before the newest one */
  point(age: number): readonly number[]
  timeMark(age: number): TimeMark
}

/** What is drawn where there is no chart: one pixel that is not seen. */
export const emptyPicture = (): Buffer => png(new Bitmap(1, 1), [0xffffff])

export function draw({ size, scale, point, timeMark }: Picture): Buffer {
  const { width, height } = allowed(size)
  const bitmap = new Bitmap(width, height)
  const plot = { width: width - MARGIN_WIDTH, height: height - MARGIN_HEIGHT }
  const points = Array.from({ length: plot.width }, (_, age) => point(age))
  const highest = Math.max(0, ...points.map(sum).filter(value => !Number.isNaN(value)))
  const step = niceStep((highest * scale.multiplier) / scale.divisor / (plot.height / GUIDE_PIXELS))
  const top = (step * (plot.height / GUIDE_PIXELS) * scale.divisor) / scale.multiplier
  for (const [age, parts] of points.entries()) {
    const x = LEFT + plot.width - 1 - age
    if (Number.isNaN(sum(parts))) hatch(bitmap, x, plot.height)
    else column(bitmap, x, plot.height, parts, top)
  }
  drawGuides(bitmap, plot, step, scale)
  drawTime(bitmap, plot, timeMark)
  return png(bitmap, palette)
}

const sum = (parts: readonly number[]) => parts.reduce((a, b) => a + b, 0)

function allowed({ width, height }: { width: number; height: number }) {
  if (width === 0 && height === 0) return DEFAULT_SIZE
  const within = (value: number, [least, most]: readonly [number, number]) => Math.min(most, Math.max(least, value))
  const plotHeight = within(height, LIMITS.height) - MARGIN_HEIGHT
  return { width: within(width, LIMITS.width), height: plotHeight - (plotHeight % GUIDE_PIXELS) + MARGIN_HEIGHT }
}

/** The next number with one or two digits that are easy to read. */
function niceStep(least: number): number {
  if (least <= 0) return 1
  const unit = 10 ** Math.floor(Math.log10(least))
  const digits = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find(each => each * unit >= least) ?? 10
  return digits * unit
}

function hatch(bitmap: Bitmap, x: number, height: number): void {
  for (let y = 0; y < height; y++) if ((x + y) % 4 === 0) bitmap.set(x, TOP + y, Colour.HATCH)
}

function column(bitmap: Bitmap, x: number, height: number, parts: readonly number[], top: number): void {
  const pixels = (value: number) => Math.round((value / top) * height)
  const [whole, lower] = [pixels(sum(parts)), pixels(parts.length > 1 ? (parts.at(-1) as number) : 0)]
  for (let up = 0; up < Math.min(whole, height); up++) {
    const y = height - 1 - up
    const layer = parts.length === 1 ? Shades.WHOLE : up < lower ? Shades.LOWER : Shades.UPPER
    bitmap.set(x, TOP + y, layer + Math.floor((y / height) * SHADES))
  }
}

/** Horizontal lines with what they stand for, and the axes. */
function drawGuides(bitmap: Bitmap, plot: { width: number; height: number }, step: number, scale: Scale): void {
  const steps = plot.height / GUIDE_PIXELS
  const label = labeller(step * steps, scale)
  for (let i = 0; i <= steps; i++) {
    const y = TOP + plot.height - i * GUIDE_PIXELS
    for (let x = LEFT; x < LEFT + plot.width; x++) if (i === 0 || x % 2 === 0) bitmap.set(x, y, Colour.AXIS)
    const text = label(step * i)
    writeText(bitmap, LEFT - 4 - text.length * LETTER_WIDTH, y - 3, text, Colour.TEXT)
  }
  for (let y = 0; y <= TOP + plot.height; y++) bitmap.set(LEFT - 1, y, Colour.AXIS)
}

const PREFIXES = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const
const NO_PREFIX = 3

/** All numbers beside a chart have the prefix of its highest one. */
function labeller(top: number, { power, sign }: Scale): (value: number) => string {
  const thousands = top > 0 ? Math.floor(Math.log10(top) / 3 + 1e-9) : 0
  const prefix = Math.min(PREFIXES.length - 1, Math.max(0, NO_PREFIX + power + thousands))
  const unit = 1000 ** (prefix - NO_PREFIX - power)
  const digits = top / unit < 10 ? 2 : top / unit < 100 ? 1 : 0
  return value => `${(value / unit).toFixed(digits)}${PREFIXES[prefix]}${sign}`
}

function drawTime(bitmap: Bitmap, plot: { width: number; height: number }, timeMark: (age: number) => TimeMark): void {
  const below = bitmap.height - LETTER_HEIGHT - 2
  for (let age = 0; age < plot.width; age++) {
    const x = LEFT + plot.width - 1 - age
    const { isGuide, label } = timeMark(age)
    for (let y = TOP; isGuide && y < TOP + plot.height; y += 2) bitmap.set(x, y, Colour.AXIS)
    writeText(bitmap, x - (label.length * LETTER_WIDTH) / 2, below, label, Colour.TEXT)
  }
}
