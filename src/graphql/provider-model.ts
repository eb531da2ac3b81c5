import { seesConfig } from './authorisation.ts'
import { builder } from './builder.ts'
import { NodeRef, ProviderModelRef, ProviderRef, RouteBackendRef } from './refs.ts'

builder.objectType(ProviderModelRef, {
  description: 'One model as one provider serves it.',
  interfaces: [NodeRef, RouteBackendRef],
  authScopes: seesConfig,
  fields: (t) => ({
    provider: t.field({
      type: ProviderRef,
      description: 'Who serves it.',
      resolve: async (row, _args, { loaders }) => (await loaders.provider.load(row.provider_id))!,
    }),
  }),
})
