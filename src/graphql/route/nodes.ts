import { readsConfig } from '../kit/authorisation.ts'
import type { NodeEntries } from '../kit/node-entry.ts'

export const routeNodes: NodeEntries<'Route' | 'RouteTarget' | 'RouteRevision'> = {
  Route: { load: ({ loaders }, id) => loaders.route.load(id), scopes: readsConfig },
  RouteTarget: { load: ({ loaders }, id) => loaders.target.load(id), scopes: readsConfig },
  RouteRevision: { load: ({ loaders }, id) => loaders.revision.load(id), scopes: readsConfig },
}
