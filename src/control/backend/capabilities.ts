import { collectEach, collectMembers } from '../kit/collect-faults.ts'
import { refuseInput } from '../kit/refusal.ts'

export interface Capabilities {
  readonly operations: readonly string[] | null
  readonly contextTokens: number | null
}

/** Null: not stated. Omitted: unchanged. */
export type CapabilitiesInput = { readonly [Name in keyof Capabilities]?: Capabilities[Name] | undefined }

/** The stored form of a model's capabilities. Throws `INVALID` or `LIMIT_EXCEEDED` at the path of the fault. */
export function resolveCapabilities(
  { operations, contextTokens }: CapabilitiesInput,
  before: Capabilities | undefined,
  path: readonly string[],
): Capabilities {
  return collectMembers<Capabilities>({
    operations: () =>
      operations === undefined ? (before?.operations ?? null) : resolveOperations(operations, [...path, 'operations']),
    contextTokens: () =>
      contextTokens === undefined
        ? (before?.contextTokens ?? null)
        : resolveContextTokens(contextTokens, [...path, 'contextTokens']),
  })
}

const maxOperations = 64
const maxOperationLength = 128
/** The largest number of the API's integers. */
const maxContextTokens = 2_147_483_647

function resolveOperations(operations: readonly string[] | null, path: readonly string[]): readonly string[] | null {
  if (!operations) return null
  if (operations.length === 0)
    throw refuseInput('INVALID', path, 'Give at least one operation, or null for those that are known.')
  if (operations.length > maxOperations)
    throw refuseInput('LIMIT_EXCEEDED', path, `At most ${maxOperations} operations can be listed.`)
  collectEach(operations, (operation, index) => requireOperation(operation, [...path, String(index)]))
  return [...new Set(operations)]
}

/** Throws unless the text is a path as clients call it. Operations that this version does not know are accepted. */
function requireOperation(operation: string, path: readonly string[]): void {
  if (operation.length <= maxOperationLength && /^\/v\d+[a-z0-9]*(\/[A-Za-z0-9._~{}-]+)+$/.test(operation)) return
  throw refuseInput(
    'INVALID',
    path,
    `An operation is a path like /v1/chat/completions, at most ${maxOperationLength} characters, without a query string.`,
  )
}

function resolveContextTokens(tokens: number | null, path: readonly string[]): number | null {
  if (tokens === null) return null
  if (!Number.isInteger(tokens) || tokens < 1 || tokens > maxContextTokens)
    throw refuseInput('INVALID', path, `It is a whole number from 1 to ${maxContextTokens}.`)
  return tokens
}
