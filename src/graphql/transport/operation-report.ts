import type { DocumentNode, ExecutionResult, GraphQLError } from 'graphql'
import { getOperationAST } from 'graphql'
import type { GraphQLContext } from '../kit/context.ts'
import { type FaultCode, graphqlFaults } from '../kit/fault.ts'

/** The report of an operation for operators. Of the caller's input it contains only the name of the operation. */
export interface OperationReport {
  readonly requestId: string
  /** `traceparent` and `tracestate` of the HTTP request, as name, value, …; they are the client's. */
  readonly traceHeaders: readonly string[]
  readonly apiKeyId: string
  /** The name that the client gave the operation, at most 128 characters; empty if none. */
  readonly name: string
  readonly type: OperationType
  /** `REFUSED`: nothing was run. A mutation that answers with user errors is `OK`. */
  readonly outcome: 'OK' | 'ERROR' | 'REFUSED'
  /** The codes of its errors, each once. */
  readonly errorCodes: readonly ReportedCode[]
  readonly errorCount: number
  /** The cost of the operation; null if it could not be measured. */
  readonly cost: number | null
  /** The duration; null for a subscription, which is reported when it begins. */
  readonly durationMs: number | null
}

export type OperationType = 'QUERY' | 'MUTATION' | 'SUBSCRIPTION' | 'NONE'
export type ReportedCode = FaultCode | 'OTHER'

/** Called for each operation that arrives over HTTP or WebSocket. It must not throw. */
export type ReportOperation = (report: OperationReport) => void

const maxNameLength = 128

/** The part of the report that is known before the operation runs. */
export type OperationHead = Pick<OperationReport, 'requestId' | 'traceHeaders' | 'apiKeyId' | 'name' | 'type'>

/** The head of the report. `document` is undefined if it could not be parsed. */
export function operationHead(
  { requestId, traceHeaders, actor }: Pick<GraphQLContext, 'requestId' | 'traceHeaders' | 'actor'>,
  document?: DocumentNode,
  operationName?: string | null,
): OperationHead {
  const operation = document && getOperationAST(document, operationName)
  return {
    requestId,
    traceHeaders,
    apiKeyId: actor.id,
    name: operation?.name?.value.slice(0, maxNameLength) ?? '',
    type: operation ? (operation.operation.toUpperCase() as OperationType) : 'NONE',
  }
}

/** The codes of errors, each once. `otherwise` is the code for an error without one. */
export function errorCodesOf(
  errors: readonly GraphQLError[] = [],
  otherwise: ReportedCode = 'INTERNAL_SERVER_ERROR',
): ReportedCode[] {
  return [...new Set(errors.map((error) => reportedCode(error, otherwise)))]
}

export function operationOutcomeOf({ errors }: ExecutionResult): OperationReport['outcome'] {
  return errors && errors.length > 0 ? 'ERROR' : 'OK'
}

/** Codes are metric labels, so only the known codes are reported. */
function reportedCode({ extensions }: GraphQLError, otherwise: ReportedCode): ReportedCode {
  const { code } = extensions
  if (code === undefined) return otherwise
  return typeof code === 'string' && Object.hasOwn(graphqlFaults, code) ? (code as FaultCode) : 'OTHER'
}
