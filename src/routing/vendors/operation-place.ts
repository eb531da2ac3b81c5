/** Finds the operation of a request by its path, in all forms that clients use. */
import { findOperation, modelOperation, type Operation, operations } from './operation.ts'

export interface OperationPlace {
  /** Null if there is no such operation. */
  readonly operation: Operation | null
  /** The documented path of the operation; for an unknown operation the path as sent. */
  readonly path: string
  /** The model that the path names; null if it names none. */
  readonly model: string | null
  /** The path has Azure's form, and so has the query: its `api-version` speaks of that form, not of the upstream's. */
  readonly isAzure: boolean
}

function place(
  operation: Operation | null,
  path: string,
  model: string | null = null,
  isAzure = false,
): OperationPlace {
  return { operation, path, model, isAzure }
}

/** Created once, because nearly all requests use the documented form. */
const documented: ReadonlyMap<string, OperationPlace> = new Map(
  operations.filter((it) => it !== modelOperation).map((it) => [it.path, place(it, it.path)]),
)

/** The operation at a path, which is without its query string. The method is yet to be compared. */
export function operationPlaceOf(path: string): OperationPlace {
  return documented.get(path) ?? exactly(path) ?? looksLike(path) ?? place(null, path)
}

function exactly(path: string): OperationPlace | undefined {
  const operation = findOperation(path)
  return operation && place(operation, path)
}

/**
 * What a base URL that is not quite right makes of a path: `//v1/…`, a slash at the end, no `/v1`, or another version behind it; or Azure's
 * (https://learn.microsoft.com/azure/ai-foundry/openai/reference): `/openai/deployments/{name}/…`, `/openai/v1/…`, `/openai/…`.
 */
function looksLike(path: string): OperationPlace | undefined {
  const clean = path.replaceAll(/\/{2,}/g, '/').replace(/\/$/, '')
  const azure = /^(?:\/v1)?\/openai(?=\/)/.exec(clean)
  if (!azure) return unversioned(clean)
  const rest = clean.slice(azure[0].length)
  const found = rest.startsWith('/deployments/') ? deployed(rest.slice('/deployments/'.length)) : unversioned(rest)
  return found && { ...found, isAzure: true }
}

function unversioned(path: string): OperationPlace | undefined {
  return exactly(path) ?? exactly(/^\/v1\/v[12]\//.test(path) ? path.slice('/v1'.length) : `/v1${path}`)
}

/** No operation has more segments behind its version. */
const maxSegments = 3

/** `{name}/{operation}`; a name may have slashes, also such as are not written as `%2F`. */
function deployed(rest: string): OperationPlace | undefined {
  const segments = rest.split('/')
  for (let from = Math.max(1, segments.length - maxSegments); from < segments.length; from++) {
    const operation = documented.get(`/v1/${segments.slice(from).join('/')}`)?.operation
    const model = decoded(segments.slice(0, from).join('/'))
    if (operation?.method === 'POST' && model) return place(operation, operation.path, model)
  }
  return undefined
}

/** Whether the path would be an operation's if something before it were left out. */
export function endsWithOperation(path: string): boolean {
  const segments = path.split('/')
  const from = Math.max(1, segments.length - maxSegments)
  return segments.some((_, i) => i >= from && documented.has(`/v1/${segments.slice(i).join('/')}`))
}

function decoded(name: string): string | undefined {
  try {
    return decodeURIComponent(name)
  } catch {
    return undefined
  }
}

/** The query, with its question mark, as it goes to upstreams: of Azure's form without the `api-version`. */
export function queryFor({ isAzure }: OperationPlace, query: string): string {
  if (!isAzure || query === '') return query
  const keptParameters = query
    .slice(1)
    .split('&')
    .filter((part) => !part.startsWith('api-version='))
  return keptParameters.length === 0 ? '' : `?${keptParameters.join('&')}`
}
