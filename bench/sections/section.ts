import type { Contender } from '../contenders/contender.ts'
import type { Row } from '../row.ts'
import type { BenchUpstreams } from '../upstream/open-upstreams.ts'

/** What sections share: the model servers, and the contenders, started when first needed. */
export interface Bench {
  readonly isQuick: boolean
  readonly upstreams: BenchUpstreams
  /** Those of all contenders that are here, running. */
  readonly contenders: () => Promise<readonly Contender[]>
  /** Fresh ones, one after the other: `use` has each for itself. */
  readonly eachFresh: (use: (contender: Contender) => Promise<void>) => Promise<void>
}

export interface Section {
  readonly name: string
  /** One line for `--help`. */
  readonly about: string
  readonly run: (bench: Bench) => Promise<readonly Row[]>
}
