import type { ObjectType } from '../../routing/config/object-id.ts'
import type { NodeRow } from '../schema/refs.ts'
import type { AnyScope } from './authorisation.ts'
import type { GraphQLContext } from './context.ts'

/** The types whose ids `node` looks up. The others are parts that have no page of their own. */
export type NodeType = Exclude<ObjectType, 'ProviderCredential' | 'ProviderHeader'>

/** What the schema needs of a type to look its objects up. */
export interface NodeEntry {
  /** The object; null if there is none. The caller has seen to the authorisation. */
  readonly load: (context: GraphQLContext, id: string) => Promise<NodeRow | null>
  /** Which scopes may ask for any of them; a caller may always ask for its own user and key. */
  readonly scopes: AnyScope
  /** For types whose objects are seen one by one: the object, or null as if there were none. Throws `FORBIDDEN`. */
  readonly find?: (context: GraphQLContext, id: string) => Promise<NodeRow | null>
}

/** A noun's entries, by type. */
export type NodeEntries<Type extends NodeType> = Readonly<Record<Type, NodeEntry>>
