import { maySeeKeysOf } from '../../control/api-key/authority.ts'
import type { Actor } from '../../control/kit/context.ts'
import { installationId, type ObjectType, typeOfId } from '../../routing/config/object-id.ts'
import { budgetOf } from '../../storage/budget/load.ts'
import { rateLimitOf } from '../../storage/limit/load.ts'
import { seesLimit, sightOf } from '../limit/visibility.ts'
import {
  administers,
  type AnyScope,
  managesKeys,
  readsConfig,
  readsUsage,
  requireAnyScope,
  requireAuditReader,
} from '../kit/authorisation.ts'
import { builder } from './builder.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { badUserInput } from '../kit/fault.ts'
import { NodeRef, type NodeRow } from './refs.ts'
import { maySeeUsage } from '../usage/visibility.ts'

const maxNodes = 100

builder.interfaceType(NodeRef, {
  description: 'An object whose id is unique across all types and stable for ever, whatever it is renamed to.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Unique across all types.', skipTypeScopes: true }),
  }),
  resolveType: ({ id }) => typeOfId(id),
})

type Load = (context: GraphQLContext, id: string) => Promise<NodeRow | null>

/** The types that are nodes of the schema; the rest of the ids are nobody's business. */
const loads: Partial<Record<ObjectType, Load>> = {
  Provider: ({ loaders }, id) => loaders.provider.load(id),
  ProviderModel: ({ loaders }, id) => loaders.providerModel.load(id),
  Deployment: ({ loaders }, id) => loaders.deployment.load(id),
  DeploymentEndpoint: ({ loaders }, id) => loaders.endpoint.load(id),
  Route: ({ loaders }, id) => loaders.route.load(id),
  RouteTarget: ({ loaders }, id) => loaders.target.load(id),
  RouteRevision: ({ loaders }, id) => loaders.revision.load(id),
  User: ({ loaders }, id) => loaders.user.load(id),
  ApiKey: ({ loaders }, id) => loaders.apiKey.load(id),
  AuditEntry: ({ loaders }, id) => loaders.auditEntry.load(id),
  RateLimit: ({ loaders }, id) => loaders.rateLimit.load(id),
  Budget: ({ loaders }, id) => loaders.budget.load(id),
  Installation: (_context, id) => Promise.resolve(id === installationId ? { id } : null),
  RequestLog: async ({ actor, loaders }, id) => {
    const record = await loaders.requestLog.load(id)
    return record && maySeeUsage(actor, record) ? record : null
  },
}

/** The object with this id; null if there is none, or if it is no id. Whoever calls this has seen to the authorisation. */
export async function loadNode(context: GraphQLContext, id: string): Promise<NodeRow | null> {
  const type = typeOfId(id)
  return (type && (await loads[type]?.(context, id))) ?? null
}

/** The same for a list; those that are gone are left out. */
export async function loadNodes(context: GraphQLContext, ids: readonly string[]): Promise<NodeRow[]> {
  const nodes = await Promise.all(ids.map((id) => loadNode(context, id)))
  return nodes.filter((node) => node !== null)
}

/** The object with this id, for a caller who names it. Throws `FORBIDDEN` by what the id claims to be, before looking. */
async function findNode(context: GraphQLContext, id: string): Promise<NodeRow | null> {
  const type = typeOfId(id)
  if (!type || !loads[type]) return null
  if (type === 'ApiKey') return findApiKeyNode(context, id)
  if (type === 'RateLimit') return findRateLimit(context, id)
  if (type === 'Budget') return findBudget(context, id)
  if (type === 'Installation') return loadNode(context, id)
  if (type === 'AuditEntry') requireAuditReader(context.actor)
  if (!isOwn(context.actor, id)) requireAnyScope(context.actor, scopesByType[type] ?? readsConfig)
  return loadNode(context, id)
}

/** Of its owner's keys a caller sees those that `apiKeys` shows it. A foreign key looks like one that does not exist. */
async function findApiKeyNode({ actor, loaders }: GraphQLContext, id: string): Promise<NodeRow | null> {
  if (!isOwn(actor, id)) requireAnyScope(actor, managesKeys)
  const key = await loaders.apiKey.load(id)
  return key && maySeeKeysOf(actor, key.owner_id) ? key : null
}

/** A limit that the caller may not see looks like one that does not exist. */
async function findRateLimit(context: GraphQLContext, id: string): Promise<NodeRow | null> {
  const row = await context.loaders.rateLimit.load(id)
  return row && seesLimit(sightOf(context), rateLimitOf(row)) ? row : null
}

async function findBudget(context: GraphQLContext, id: string): Promise<NodeRow | null> {
  const row = await context.loaders.budget.load(id)
  return row && seesLimit(sightOf(context), budgetOf(row)) ? row : null
}

function isOwn(actor: Actor, id: string): boolean {
  return id === actor.id || id === actor.userId
}

const scopesByType: Partial<Record<ObjectType, AnyScope>> = {
  User: administers,
  RequestLog: readsUsage,
}

builder.queryFields((t) => ({
  node: t.field({
    type: NodeRef,
    nullable: true,
    description: 'The object with this id; null if there is none.',
    args: { id: t.arg.id({ required: true, description: 'Of any object.' }) },
    resolve: (_root, { id }, context) => findNode(context, id),
  }),
  nodes: t.field({
    type: [NodeRef],
    nullable: { list: false, items: true },
    description: 'In the same order, null where there is none; at most 100.',
    args: { ids: t.arg({ type: ['ID'], required: true, description: 'Of any objects, at most 100.' }) },
    complexity: ({ ids }) => ({ field: 1, multiplier: Math.min(Math.max(ids.length, 1), maxNodes) }),
    resolve: (_root, { ids }, context) => {
      if (ids.length > maxNodes) throw badUserInput(`\`ids\` are at most ${maxNodes}.`)
      return ids.map((id) => findNode(context, id))
    },
  }),
}))
