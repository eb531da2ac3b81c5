import type { ObjectType } from '../../routing/config/object-id.ts'
import type { NodeRow } from './node-row.ts'
import type { AnyScope } from './authorisation.ts'
import type { GraphQLContext } from './context.ts'

/** The types whose ids `node` looks up. The excluded types are parts of another object. */
export type NodeType = Exclude<ObjectType, 'ProviderCredential' | 'ProviderHeader'>

/** What the schema needs of a type to look its objects up. */
export interface NodeEntry {
  /** Reads the object; null if there is none. The caller must have checked the authorisation. */
  readonly load: (context: GraphQLContext, id: string) => Promise<NodeRow | null>
  /** The scopes with which a caller may read any object of the type. A caller may always read its own user and key. */
  readonly scopes: AnyScope
  /** For types whose visibility depends on the object: returns null for an object that the caller may not see. Throws `FORBIDDEN`. */
  readonly find?: (context: GraphQLContext, id: string) => Promise<NodeRow | null>
}

/** A noun's entries, by type. */
export type NodeEntries<Type extends NodeType> = Readonly<Record<Type, NodeEntry>>
