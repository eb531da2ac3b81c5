import type { Plugin } from 'graphql-yoga'
import { complexityFromQuery } from '@pothos/plugin-complexity'
import { type ExecutionArgs, getOperationAST, type GraphQLError, ValuesOfCorrectTypeRule } from 'graphql'
import {
  AliasesRule,
  CodedValuesRule,
  DirectivesRule,
  documentOf,
  maxTokens,
  RootMutationFieldsRule,
  TextRule,
} from './document-rules.ts'
import { badUserInput, fault } from './fault.ts'
import { findTextProblem } from './text-bounds.ts'

/** Fields that an operation may ask for, with each page counted as if it were full. */
const maxCost = 50_000
const maxDepth = 20

interface Cost {
  readonly complexity: number
  readonly depth: number
}

/** Bounds what one operation can ask for, over HTTP and over WebSocket. Its cost stands in `extensions.cost`. */
export function useRequestLimits(): Plugin {
  return {
    onParse({ parseFn, setParseFn }) {
      setParseFn((source, options) => parseFn(source, { ...options, maxTokens }))
    },
    onValidate({ addValidationRule, validateFn, setValidationFn }) {
      for (const rule of [AliasesRule, DirectivesRule, RootMutationFieldsRule, TextRule]) addValidationRule(rule)
      setValidationFn((schema, document, rules, ...rest) =>
        validateFn(schema, document, rules?.map(withCodes), ...rest),
      )
    },
    onExecute({ args, setResultAndStopExecution }) {
      const { cost, error } = measure(args)
      if (error) return setResultAndStopExecution({ errors: [error], ...(cost && costExtensions(cost)) })
      return {
        onExecuteDone({ result, setResult }) {
          if (Symbol.asyncIterator in result) return
          if (result.data === undefined) result.errors?.forEach(codeAsBadInput)
          if (cost) setResult({ ...result, ...costExtensions(cost, result.extensions) })
        },
      }
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const { cost, error } = measure(args)
      if (error) setResultAndStopExecution({ errors: [error], ...(cost && costExtensions(cost)) })
    },
  }
}

/** What ends an operation before its first field are values that do not fit the variables. */
function codeAsBadInput(error: GraphQLError): void {
  error.extensions['code'] ??= 'BAD_USER_INPUT'
}

function withCodes<Rule>(rule: Rule): Rule | typeof CodedValuesRule {
  return rule === (ValuesOfCorrectTypeRule as unknown) ? CodedValuesRule : rule
}

function costExtensions({ complexity }: Cost, extensions: object = {}) {
  return { extensions: { ...extensions, cost: { requested: complexity, limit: maxCost } } }
}

function measure(args: ExecutionArgs): { readonly cost?: Cost; readonly error?: GraphQLError } {
  const operation = getOperationAST(args.document, args.operationName)
  if (!operation) return { error: badRequest('Name one of the operations of the document as `operationName`.') }
  const problem = findTextProblem(args.variableValues, 'variables')
  if (problem) return { error: badRequest(problem) }
  const cost = costOf(args, operation)
  if (cost && cost.depth > maxDepth)
    return {
      cost,
      error: fault('QUERY_TOO_COMPLEX', `An operation has at most ${maxDepth} levels; this one: ${cost.depth}.`),
    }
  if (cost && cost.complexity > maxCost)
    return {
      cost,
      error: fault(
        'QUERY_TOO_COMPLEX',
        `An operation costs at most ${maxCost}; this one: ${cost.complexity}. Ask for less.`,
      ),
    }
  return cost ? { cost } : {}
}

function badRequest(message: string): GraphQLError {
  const error = badUserInput(message)
  error.extensions['http'] = { status: 400, spec: true }
  return error
}

/** Undefined if the variables do not fit: execution says what is wrong with them. */
function costOf(args: ExecutionArgs, operation: NonNullable<ReturnType<typeof getOperationAST>>): Cost | undefined {
  try {
    return complexityFromQuery(documentOf(args.document, operation), {
      schema: args.schema,
      ctx: args.contextValue as object,
      variables: { ...args.variableValues },
    })
  } catch {
    return undefined
  }
}
