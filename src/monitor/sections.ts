// All sections by the codes of the original, in the order in which it shows them. What it calls IN is the first six
// together, RS is SC, OF and AL. The one of licences (LI) is empty without one.
import type { Section } from './section.ts'
import { chunkserverCharts, masterCharts } from './sections/charts.ts'
import { classes } from './sections/classes.ts'
import { disks } from './sections/disks.ts'
import { exports } from './sections/exports.ts'
import { locks } from './sections/locks.ts'
import { loops } from './sections/loops.ts'
import { masterInfo } from './sections/master-info.ts'
import { masters } from './sections/masters.ts'
import { matrix } from './sections/matrix.ts'
import { memory } from './sections/memory.ts'
import { metaloggers } from './sections/metaloggers.ts'
import { missing } from './sections/missing.ts'
import { mounts } from './sections/mounts.ts'
import { openFiles } from './sections/open-files.ts'
import { operations } from './sections/operations.ts'
import { quotas } from './sections/quotas.ts'
import { servers } from './sections/servers.ts'

export const sections = {
  IM: masters,
  IG: masterInfo,
  MU: memory,
  IC: matrix,
  IL: loops,
  MF: missing,
  CS: servers,
  MB: metaloggers,
  HD: disks,
  EX: exports,
  MS: mounts,
  MO: operations,
  SC: classes,
  OF: openFiles,
  AL: locks,
  QU: quotas,
  MC: masterCharts,
  CC: chunkserverCharts,
} as const satisfies Readonly<Record<string, Section>>

export type SectionCode = keyof typeof sections
