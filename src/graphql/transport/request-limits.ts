import type { Plugin } from 'graphql-yoga'
import { complexityFromQuery } from '@pothos/plugin-complexity'
import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  getOperationAST,
  GraphQLError,
  ValuesOfCorrectTypeRule,
} from 'graphql'
import { accepts, eventStream } from './accept.ts'
import { bindOperation } from './bound-operation.ts'
import type { GraphQLContext } from '../kit/context.ts'
import type { CostBudget } from './cost-budget.ts'
import {
  AliasesRule,
  CodedValuesRule,
  DirectivesRule,
  maxTokens,
  RootMutationFieldsRule,
  TextRule,
  VariableNamesRule,
} from './document-rules.ts'
import { fault, type FaultCode } from '../kit/fault.ts'
import { maskValues } from './mask-values.ts'
import { isTooNested, maxNesting } from './nesting.ts'
import {
  errorCodesOf,
  type OperationHead,
  operationHead,
  operationOutcomeOf,
  type ReportOperation,
} from './operation-report.ts'
import { findTextProblem } from './text-bounds.ts'

/** The greatest cost of an operation: its fields, with each page counted as if it were full. */
const maxCost = 50_000
const maxDepth = 20
/** The cost that is charged for a document that does not run. */
const refusedCost = 1_000

/** GraphQL over HTTP demands status 400, but 200 if the answer is `application/json`; `spec` makes yoga follow it. */
const refused = { http: { status: 400, spec: true } }

interface Cost {
  readonly complexity: number
  readonly depth: number
}

export interface RequestLimits {
  readonly budget: CostBudget
  /** Called for every operation, also for refused ones. */
  readonly report: ReportOperation
}

/**
 * Bounds the cost of one operation and of all operations of a key, over HTTP and WebSocket. Every answer has the cost in
 * `extensions.cost`.
 */
export function useRequestLimits(limits: RequestLimits): Plugin<GraphQLContext> {
  const { report } = limits
  return {
    onParse({ parseFn, setParseFn, context }) {
      setParseFn((source, options) => {
        if (isTooNested(typeof source === 'string' ? source : source.body))
          throw fault('QUERY_TOO_COMPLEX', `A document has at most ${maxNesting} nested brackets.`)
        return parseFn(source, { ...options, maxTokens })
      })
      return ({ result }) => {
        if (!(result instanceof GraphQLError)) return
        // It is thrown here because yoga would answer a returned error with status 200, also a 429.
        throw refuse(limits, operationHead(context), null, [refusedDocument(result)])[0]!
      }
    },
    onValidate({ addValidationRule, validateFn, setValidationFn, params, context }) {
      for (const rule of [AliasesRule, DirectivesRule, RootMutationFieldsRule, TextRule, VariableNamesRule])
        addValidationRule(rule)
      setValidationFn((schema, document, rules, ...rest) =>
        validateFn(schema, document, rules?.map(withCodes), ...rest).map(explained),
      )
      return ({ valid, result, setResult }) => {
        const head = operationHead(context, params.documentAST as DocumentNode)
        if (!valid) setResult([...refuse(limits, head, null, result as readonly GraphQLError[])])
      }
    },
    onExecute({ args, setResultAndStopExecution }) {
      const head = operationHead(args.contextValue, args.document, args.operationName)
      const { cost, errors } = admit(limits, head, measure(args))
      if (errors) return setResultAndStopExecution({ errors, ...(cost && costExtensions(cost)) })
      const beganAtMs = performance.now()
      return {
        onExecuteDone({ result, setResult }) {
          if (Symbol.asyncIterator in result) return
          const durationMs = performance.now() - beganAtMs
          const errorCodes = errorCodesOf(result.errors)
          const errorCount = result.errors?.length ?? 0
          report({
            ...head,
            outcome: operationOutcomeOf(result),
            errorCodes,
            errorCount,
            cost: cost?.complexity ?? null,
            durationMs,
          })
          if (cost) setResult({ ...result, ...costExtensions(cost, result.extensions) })
        },
      }
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const head = operationHead(args.contextValue, args.document, args.operationName)
      const measured = measure(args)
      const { cost, errors } = admit(limits, head, { errors: whyNotStreamed(args.contextValue), ...measured })
      if (errors) return setResultAndStopExecution({ errors, ...(cost && costExtensions(cost)) })
      return {
        onSubscribeResult({ result }) {
          const isOpen = Symbol.asyncIterator in result
          const { errors: faults } = isOpen ? {} : (result as ExecutionResult)
          const outcome = isOpen ? 'OK' : 'ERROR'
          const errorCodes = errorCodesOf(faults)
          const errorCount = faults?.length ?? 0
          report({ ...head, outcome, errorCodes, errorCount, cost: cost?.complexity ?? null, durationMs: null })
          return {
            onNext({ result: event, setResult }) {
              if (cost && !(Symbol.asyncIterator in event))
                setResult({ ...event, ...costExtensions(cost, event.extensions) })
            },
          }
        },
      }
    },
  }
}

/**
 * Decides whether an operation runs. An operation within its own bounds takes its cost from the budget of the key; a refused one is
 * reported.
 */
function admit(limits: RequestLimits, head: OperationHead, measured: Measured): Measured {
  const { cost, errors } = measured
  if (errors) return { cost, errors: refuse(limits, head, cost, errors) }
  const tooMuch = whyTooMuch(limits.budget, head.apiKeyId, cost?.complexity ?? 0)
  if (!tooMuch) return measured
  reportRefused(limits.report, head, cost, tooMuch)
  return { cost, errors: tooMuch }
}

/**
 * Reports a refusal and charges it to the budget: reading the document was work, and without a charge a client could repeat it
 * endlessly.
 */
function refuse(
  { budget, report }: RequestLimits,
  head: OperationHead,
  cost: Cost | null | undefined,
  faults: readonly GraphQLError[],
): readonly GraphQLError[] {
  const errors = whyTooMuch(budget, head.apiKeyId, refusedCost) ?? faults
  reportRefused(report, head, cost, errors)
  return errors
}

function reportRefused(
  report: ReportOperation,
  head: OperationHead,
  cost: Cost | null | undefined,
  errors: readonly GraphQLError[],
): void {
  const errorCodes = errorCodesOf(errors, 'GRAPHQL_VALIDATION_FAILED')
  const errorCount = errors.length
  report({ ...head, outcome: 'REFUSED', errorCodes, errorCount, cost: cost?.complexity ?? null, durationMs: null })
}

function whyTooMuch(budget: CostBudget, apiKeyId: string, cost: number): readonly GraphQLError[] | undefined {
  const retryAfterMs = budget.take(apiKeyId, cost)
  if (retryAfterMs === null) return undefined
  const seconds = Math.ceil(retryAfterMs / 1_000)
  const headers = { 'retry-after': String(seconds), 'retry-after-ms': String(retryAfterMs) }
  const message = `The operations of this key cost too much in a minute: go on in ${seconds} s.`
  return [fault('RATE_LIMITED', message, { extensions: { retryAfterMs, http: { status: 429, headers, spec: false } } })]
}

function refusedDocument(error: GraphQLError): GraphQLError {
  const { nodes, source, positions, extensions } = error
  const options = { nodes, source, positions, extensions: { code: 'GRAPHQL_PARSE_FAILED', ...extensions, ...refused } }
  return new GraphQLError(maskValues(error.message), options)
}

/** Adds an explanation to the validator's terse message when it gives up comparing fields of the same name. */
function explained(error: GraphQLError): GraphQLError {
  if (error.message !== 'Validation aborted.') return error
  return fault('QUERY_TOO_COMPLEX', 'The document has the same fields too often: write each of them once.')
}

function withCodes<Rule>(rule: Rule): Rule | typeof CodedValuesRule {
  return rule === (ValuesOfCorrectTypeRule as unknown) ? CodedValuesRule : rule
}

function costExtensions({ complexity }: Cost, extensions: object = {}) {
  return { extensions: { ...extensions, cost: { requested: complexity, limit: maxCost } } }
}

interface Measured {
  readonly cost?: Cost | undefined
  /** Why the operation is refused; undefined if it may run. */
  readonly errors?: readonly GraphQLError[] | undefined
}

/** Measures the cost. An operation that cannot be measured does not run: an error here ends the request. */
function measure(args: ExecutionArgs): Measured {
  const operation = getOperationAST(args.document, args.operationName)
  if (!operation) return { errors: [unnamed()] }
  const problem = findTextProblem(args.variableValues, 'variables')
  if (problem) return { errors: [refusal('BAD_USER_INPUT', problem)] }
  const bound = bindOperation(args, operation)
  if (bound.errors) return { errors: bound.errors.map(asBadInput) }
  const cost = costOf(args, bound.document)
  const excess = excessOf(cost)
  return excess === undefined ? { cost } : { cost, errors: [refusal('QUERY_TOO_COMPLEX', excess)] }
}

/** Checks before a subscription begins whether its answer can be sent: otherwise nothing would end it. A WebSocket has no request here. */
function whyNotStreamed({ request }: { readonly request?: Request }): readonly GraphQLError[] | undefined {
  if (!request || accepts(request.headers.get('accept'), [eventStream])) return undefined
  const message = 'A subscription is answered as `text/event-stream`: send that as `accept`, or use a WebSocket.'
  return [fault('NOT_ACCEPTABLE', message, { extensions: { http: { status: 406 } } })]
}

function excessOf({ complexity, depth }: Cost): string | undefined {
  if (depth > maxDepth) return `An operation has at most ${maxDepth} levels; this one: ${depth}.`
  if (complexity > maxCost) return `An operation costs at most ${maxCost}; this one: ${complexity}. Ask for less.`
  return undefined
}

function refusal(code: FaultCode, message: string): GraphQLError {
  return fault(code, message, { extensions: refused })
}

function unnamed(): GraphQLError {
  return refusal('OPERATION_RESOLUTION_FAILURE', 'Name one of the operations of the document as `operationName`.')
}

function asBadInput(error: GraphQLError): GraphQLError {
  return fault('BAD_USER_INPUT', maskValues(error.message), { nodes: error.nodes, extensions: refused })
}

function costOf(args: ExecutionArgs, document: DocumentNode): Cost {
  return complexityFromQuery(document, {
    schema: args.schema,
    ctx: args.contextValue as object,
    variables: { ...args.variableValues },
  })
}
