import { typeOfId } from '../../routing/config/object-id.ts'
import type { ApiKeyRow } from '../../storage/api-key/read.ts'
import type { UserRow } from '../../storage/user/read.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from './context.ts'
import { ApiKeyRef } from '../api-key/ref.ts'
import { SystemActorRef, type SystemActorRow } from '../audit/ref.ts'
import { UserRef } from '../user/ref.ts'

const systemPrefix = 'system:'

builder.objectType(SystemActorRef, {
  description: 'The platform itself, e.g. `bootstrap` or `health-check`.',
  fields: (t) => ({
    name: t.string({
      description: 'The part of the platform.',
      resolve: ({ id }) => id.slice(systemPrefix.length),
    }),
  }),
})

export const ActorRef = builder.unionType('Actor', {
  description: 'Who made a change or a call.',
  types: [UserRef, ApiKeyRef, SystemActorRef],
  resolveType: ({ id }) => typeOfId(id) ?? 'SystemActor',
})

/** The actor with this id, as the history records it; null if it was deleted. */
export async function loadActor(
  { loaders }: GraphQLContext,
  actorId: string,
): Promise<UserRow | ApiKeyRow | SystemActorRow | null> {
  if (actorId.startsWith(systemPrefix)) return { id: actorId as SystemActorRow['id'] }
  return typeOfId(actorId) === 'User' ? loaders.user.load(actorId) : loaders.apiKey.load(actorId)
}
