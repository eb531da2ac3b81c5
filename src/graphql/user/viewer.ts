import { apiKeyScopes } from '../../routing/config/vocabulary.ts'
import { ActorRef, loadActor } from '../kit/actor.ts'
import { builder } from '../schema/builder.ts'
import { ApiKeyScope } from '../api-key/enums.ts'
import { fault } from '../kit/fault.ts'
import { ViewerRef } from './ref.ts'

builder.objectType(ViewerRef, {
  description: 'The caller.',
  fields: (t) => ({
    actor: t.field({
      type: ActorRef,
      description: 'The key that the request came with.',
      resolve: async (actor, _args, context) => {
        const found = await loadActor(context, actor.id)
        if (!found) throw fault('UNAUTHENTICATED', 'The key was deleted.')
        return found
      },
    }),
    scopes: t.field({
      type: [ApiKeyScope],
      description: 'What the key may do now: its scopes, limited to those of its owner.',
      resolve: (actor) => apiKeyScopes.filter((scope) => actor.scopes.has(scope)),
    }),
  }),
})

builder.queryField('viewer', (t) =>
  t.field({ type: ViewerRef, description: 'The caller.', resolve: (_root, _args, { actor }) => actor }),
)
