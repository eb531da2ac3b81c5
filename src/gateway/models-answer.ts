/** `GET /v1/models` and `GET /v1/models/{name}`: the routes that the caller may use, in OpenAI's form. */
import { authorise, type Caller, callableRoutes } from '../routing/access.ts'
import { matchRoute } from '../routing/match.ts'
import type { Route, Snapshot } from '../routing/snapshot.ts'

/** The list as JSON, by name. */
export function modelsBody(snapshot: Snapshot, caller: Caller): Buffer {
  const routes = [...callableRoutes(snapshot, caller)].sort((a, b) => (a.name < b.name ? -1 : 1))
  return toJson({ object: 'list', data: routes.map(toModel) })
}

/** One route as JSON; undefined if there is none of that name, or the caller may not use it. */
export function modelBody(snapshot: Snapshot, caller: Caller, name: string): Buffer | undefined {
  const route = matchRoute(snapshot, name)
  return route && authorise(route, caller) === null ? toJson(toModel(route)) : undefined
}

/** The name in `/v1/models/{name}`, whose slashes may be written as `%2F`; undefined if it is no UTF-8. */
export function modelNameOf(path: string): string | undefined {
  try {
    return decodeURIComponent(path.slice('/v1/models/'.length))
  } catch {
    return undefined
  }
}

function toModel(route: Route) {
  return {
    id: route.name,
    object: 'model',
    created: Math.floor(route.createdAtMs / 1000),
    owned_by: 'signalbox',
  }
}

function toJson(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}
