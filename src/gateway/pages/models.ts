/** `GET /v1/models` and `GET /v1/models/{name}`: the routes that the caller may use, in OpenAI's form or in Anthropic's. */
import { authorise, type Caller, callableRoutes } from '../../routing/access/authorise.ts'
import { matchRoute } from '../../routing/access/match-route.ts'
import type { Protocol } from '../../routing/vendors/operation.ts'
import type { Route, Snapshot } from '../../routing/config/snapshot.ts'

/** What was answered to one caller. */
interface CallerModels {
  /** By name. */
  readonly routes: readonly Route[]
  /** Created on first use. */
  openai: Buffer | null
  anthropic: Buffer | null
}

/** As long as a snapshot is in use, the lists of so many callers are kept. */
const maxCallers = 256
const known = new WeakMap<Snapshot, Map<string, CallerModels>>()

/** The list as JSON, by name. `query`: with its question mark; Anthropic's clients ask for pages in it. */
export function modelsBody(snapshot: Snapshot, caller: Caller, protocol: Protocol, query: string): Buffer {
  const models = modelsOf(snapshot, caller)
  if (protocol === 'openai') return (models.openai ??= openaiList(models.routes))
  if (query.length > 1) return anthropicPage(models.routes, new URLSearchParams(query))
  return (models.anthropic ??= anthropicList(models.routes, false))
}

/** One route as JSON; undefined if it does not exist or the caller may not use it. */
export function modelBody(snapshot: Snapshot, caller: Caller, protocol: Protocol, name: string): Buffer | undefined {
  const route = matchRoute(snapshot, name)
  if (!route || authorise(route, caller) !== null) return undefined
  return toJson(protocol === 'openai' ? openaiModel(route) : anthropicModel(route))
}

/** The name in `/v1/models/{name}`, whose slashes may be written as `%2F`; undefined if it is no UTF-8. */
export function modelNameOf(path: string): string | undefined {
  try {
    return decodeURIComponent(path.slice('/v1/models/'.length))
  } catch {
    return undefined
  }
}

function modelsOf(snapshot: Snapshot, caller: Caller): CallerModels {
  let callers = known.get(snapshot)
  if (!callers) known.set(snapshot, (callers = new Map()))
  const id = caller.apiKey?.id ?? ''
  let models = callers.get(id)
  if (!models) {
    const routes = [...callableRoutes(snapshot, caller)].sort((a, b) => (a.name < b.name ? -1 : 1))
    models = { routes, openai: null, anthropic: null }
    const [oldest] = callers.keys()
    if (callers.size >= maxCallers && oldest !== undefined) callers.delete(oldest)
    callers.set(id, models)
  }
  return models
}

function openaiList(routes: readonly Route[]): Buffer {
  return toJson({ object: 'list', data: routes.map(openaiModel) })
}

function openaiModel(route: Route): object {
  return {
    id: route.name,
    object: 'model',
    created: Math.floor(route.createdAtMs / 1000),
    owned_by: 'signalbox',
  }
}

/** As `ListResponseModelInfo` of https://docs.anthropic.com/en/api/models-list. */
function anthropicList(routes: readonly Route[], hasMore: boolean): Buffer {
  return toJson({
    data: routes.map(anthropicModel),
    has_more: hasMore,
    first_id: routes[0]?.name ?? null,
    last_id: routes.at(-1)?.name ?? null,
  })
}

function anthropicModel(route: Route): object {
  return {
    type: 'model',
    id: route.name,
    display_name: route.name,
    created_at: new Date(Math.floor(route.createdAtMs / 1000) * 1000).toISOString().replace('.000Z', 'Z'),
  }
}

/** Anthropic's bound of a page. */
const maxPageSize = 1_000

/** Without a `limit` all are on one page, so that a client that reads no further page misses none. */
function anthropicPage(routes: readonly Route[], query: URLSearchParams): Buffer {
  const afterId = query.get('after_id')
  const beforeId = query.get('before_id')
  const from = afterId === null ? 0 : routes.findIndex(({ name }) => name === afterId) + 1
  const before = beforeId === null ? -1 : routes.findIndex(({ name }) => name === beforeId)
  const range = routes.slice(from, before < 0 ? undefined : before)
  const wanted = Number(query.get('limit') ?? Infinity)
  const limit = wanted >= 1 ? Math.min(Math.floor(wanted), wanted === Infinity ? Infinity : maxPageSize) : range.length
  const page = beforeId !== null && limit < range.length ? range.slice(-limit) : range.slice(0, limit)
  return anthropicList(page, page.length < range.length)
}

function toJson(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}
