import type { Answer } from '../../control/kit/context.ts'
import { BackendWarningRef, warningsOfProvider } from '../backend/warning.ts'
import { builder } from '../schema/builder.ts'
import { MutationPayloadRef } from '../kit/payload.ts'
import { ProviderRef } from './ref.ts'

/** The payload of a command whose value is the provider's id. */
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
    warnings: t.field({
      type: [BackendWarningRef],
      description: 'Why the provider, as it is now, will probably not answer.',
      resolve: async (answer, _args, context) => {
        const row = answer.ok ? await context.loaders.provider.load(answer.value) : null
        return row ? warningsOfProvider(context, row) : []
      },
    }),
  }),
})
