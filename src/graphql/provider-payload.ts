import type { Answer } from '../control/control.ts'
import { builder } from './builder.ts'
import { MutationPayloadRef } from './payload.ts'
import { ProviderRef } from './refs.ts'

/** Of a command whose value is the provider's id. */
export const ProviderPayload = builder.objectRef<Answer<string>>('ProviderPayload').implement({
  description: 'The answer to a change of a provider.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    provider: t.field({
      type: ProviderRef,
      nullable: true,
      description: 'The provider after the change; null if nothing was committed.',
      resolve: (answer, _args, { loaders }) => (answer.ok ? loaders.provider.load(answer.value) : null),
    }),
  }),
})
