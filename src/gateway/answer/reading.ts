import type { ReportedRemainder } from '../../routing/usage/reported-units.ts'
import type { TokenUsage } from '../../routing/usage/record.ts'
import type { AnswerBytes } from './bytes.ts'

/** What is known of an answer after its bytes have passed. */
export interface AnswerReading {
  readonly bytes: AnswerBytes
  /** What upstream said of its tokens; null: nothing that makes sense. */
  reportedTokens(): TokenUsage | null
  /** What upstream said besides. */
  reportedRest(): ReportedRemainder
  /** Whether the tokens are those of the whole answer. */
  readonly isReportFinal: boolean
  /** Whether it is of a form in which there is text: a compressed body is none, nor a page. */
  readonly isReadable: boolean
}
