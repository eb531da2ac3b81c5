import type { DocumentNode, ExecutionResult, GraphQLError } from 'graphql'
import { getOperationAST } from 'graphql'
import type { GraphQLContext } from '../kit/context.ts'
import { type FaultCode, graphqlFaults } from '../kit/fault.ts'

/** What operators are told of an operation: nothing that a caller gave, but its name. */
export interface OperationReport {
  readonly requestId: string
  readonly apiKeyId: string
  /** As the client calls it, at most 128 characters; empty: it gave no name. */
  readonly name: string
  readonly type: OperationType
  /** `REFUSED`: nothing was run. A mutation that says why it changed nothing is `OK`. */
  readonly outcome: 'OK' | 'ERROR' | 'REFUSED'
  /** The codes of its errors, each once. */
  readonly errorCodes: readonly ReportedCode[]
  readonly errorCount: number
  /** Null: it could not be measured. */
  readonly cost: number | null
  /** Null of a subscription: it is reported when it begins. */
  readonly durationMs: number | null
}

export type OperationType = 'QUERY' | 'MUTATION' | 'SUBSCRIPTION' | 'NONE'
export type ReportedCode = FaultCode | 'OTHER'

/** Hears of each operation that came over HTTP or WebSocket. It must not throw. */
export type ReportOperation = (report: OperationReport) => void

const maxNameLength = 128

/** What is known of an operation before it runs. */
export type OperationHead = Pick<OperationReport, 'requestId' | 'apiKeyId' | 'name' | 'type'>

/** `document` undefined: it was no document. */
export function operationHead(
  { requestId, actor }: Pick<GraphQLContext, 'requestId' | 'actor'>,
  document?: DocumentNode,
  operationName?: string | null,
): OperationHead {
  const operation = document && getOperationAST(document, operationName)
  return {
    requestId,
    apiKeyId: actor.id,
    name: operation?.name?.value.slice(0, maxNameLength) ?? '',
    type: operation ? (operation.operation.toUpperCase() as OperationType) : 'NONE',
  }
}

/** `otherwise` is the code of an error that has none yet. */
export function errorCodesOf(
  errors: readonly GraphQLError[] = [],
  otherwise: ReportedCode = 'INTERNAL_SERVER_ERROR',
): ReportedCode[] {
  return [...new Set(errors.map((error) => reportedCode(error, otherwise)))]
}

export function operationOutcomeOf({ errors }: ExecutionResult): OperationReport['outcome'] {
  return errors && errors.length > 0 ? 'ERROR' : 'OK'
}

/** Codes are labels of a metric: there are no others than ours. */
function reportedCode({ extensions }: GraphQLError, otherwise: ReportedCode): ReportedCode {
  const { code } = extensions
  if (code === undefined) return otherwise
  return typeof code === 'string' && Object.hasOwn(graphqlFaults, code) ? (code as FaultCode) : 'OTHER'
}
