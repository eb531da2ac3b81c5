import type { ReportedRemainder } from '../../routing/usage/reported-units.ts'
import type { TokenUsage } from '../../routing/usage/record.ts'
import type { AnswerBytes } from './bytes.ts'

/** The facts about an answer after its bytes have passed. */
export interface AnswerReading {
  readonly bytes: AnswerBytes
  /** The tokens that the upstream reported; null if it reported none or nonsense. */
  reportedTokens(): TokenUsage | null
  /** Other figures that the upstream reported. */
  reportedRest(): ReportedRemainder
  /** Whether the tokens are those of the whole answer. */
  readonly isReportFinal: boolean
  /** Whether it is of a form in which there is text: a compressed body is none, nor a page. */
  readonly isReadable: boolean
}
