import { initGraphQLTada } from 'gql.tada'
import type { introspection } from './schema-types.d.ts'

/** A typed document; its types come from `schema.graphql`. */
export const graphql = initGraphQLTada<{
  introspection: introspection
  scalars: { DateTime: string; URL: string; SafeInt: number; Decimal: string; JSONObject: Record<string, unknown> }
}>()

export type { ResultOf, VariablesOf } from 'gql.tada'
