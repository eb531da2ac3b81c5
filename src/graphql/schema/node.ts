import { typeOfId } from '../../routing/config/object-id.ts'
import { apiKeyNodes } from '../api-key/nodes.ts'
import { auditNodes } from '../audit/nodes.ts'
import { budgetNodes } from '../budget/nodes.ts'
import { deploymentNodes } from '../deployment/nodes.ts'
import { isOwnId, requireAnyScope } from '../kit/authorisation.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { badUserInput } from '../kit/fault.ts'
import type { NodeEntries, NodeEntry, NodeType } from '../kit/node-entry.ts'
import { limitNodes } from '../limit/nodes.ts'
import { providerNodes } from '../provider/nodes.ts'
import { routeNodes } from '../route/nodes.ts'
import { usageNodes } from '../usage/nodes.ts'
import { userNodes } from '../user/nodes.ts'
import { builder } from './builder.ts'
import { NodeRef } from './refs.ts'
import type { NodeRow } from '../kit/node-row.ts'

const maxNodes = 100

builder.interfaceType(NodeRef, {
  description: 'An object whose id is unique across all types and never changes, even when the object is renamed.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Unique across all types.', skipTypeScopes: true }),
  }),
  resolveType: ({ id }) => typeOfId(id),
})

/** One entry for each type; a missing entry does not compile. */
const entries: NodeEntries<NodeType> = {
  ...apiKeyNodes,
  ...auditNodes,
  ...budgetNodes,
  ...deploymentNodes,
  ...limitNodes,
  ...providerNodes,
  ...routeNodes,
  ...usageNodes,
  ...userNodes,
}

function entryOf(id: string): NodeEntry | undefined {
  const type = typeOfId(id)
  return type && entries[type as NodeType]
}

/** The object with this id; null if there is none, or if the text is not an id. The caller must have checked the authorisation. */
export async function loadNode(context: GraphQLContext, id: string): Promise<NodeRow | null> {
  return (await entryOf(id)?.load(context, id)) ?? null
}

/** The objects with these ids, without deleted ones. */
export async function loadNodes(context: GraphQLContext, ids: readonly string[]): Promise<NodeRow[]> {
  const nodes = await Promise.all(ids.map((id) => loadNode(context, id)))
  return nodes.filter((node) => node !== null)
}

/** The object with this id, if the caller may read objects of its type. Throws `FORBIDDEN` before it reads the database. */
async function findNode(context: GraphQLContext, id: string): Promise<NodeRow | null> {
  const entry = entryOf(id)
  if (!entry) return null
  if (entry.find) return entry.find(context, id)
  if (!isOwnId(context.actor, id)) requireAnyScope(context.actor, entry.scopes)
  return entry.load(context, id)
}

builder.queryFields((t) => ({
  node: t.field({
    type: NodeRef,
    nullable: true,
    description: 'The object with this id; null if there is none.',
    args: { id: t.arg.id({ required: true, description: 'The id of the object.' }) },
    resolve: (_root, { id }, context) => findNode(context, id),
  }),
  nodes: t.field({
    type: [NodeRef],
    nullable: { list: false, items: true },
    description: 'The objects with these ids, in the same order; null for each id without an object.',
    args: { ids: t.arg({ type: ['ID'], required: true, description: 'The ids of the objects, at most 100.' }) },
    complexity: ({ ids }) => ({ field: 1, multiplier: Math.min(Math.max(ids.length, 1), maxNodes) }),
    resolve: (_root, { ids }, context) => {
      if (ids.length > maxNodes) throw badUserInput(`\`ids\` are at most ${maxNodes}.`)
      return ids.map((id) => findNode(context, id))
    },
  }),
}))
