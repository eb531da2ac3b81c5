import type { ProviderCredentialRow } from '../../storage/provider/read.ts'
import { builder } from '../schema/builder.ts'
import { BackendHealthRef } from '../backend/health.ts'

export const ProviderCredentialRef = builder.objectRef<ProviderCredentialRow>('ProviderCredential').implement({
  description: 'A write-only secret: it can be replaced and tested, never read.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Unique.' }),
    hint: t.exposeString('hint', { description: 'Last four characters, to tell secrets apart.' }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When it was entered.',
      resolve: (row) => row.created_at,
    }),
    health: t.field({
      type: BackendHealthRef,
      nullable: true,
      description: 'Whether the provider accepts it; null until a gateway has reported it.',
      resolve: ({ id }, _args, { live }) => live.health(id),
    }),
  }),
})
