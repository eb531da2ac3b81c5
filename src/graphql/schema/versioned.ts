import { builder } from './builder.ts'
import { VersionedRef } from './refs.ts'

builder.interfaceType(VersionedRef, {
  description: 'An object that an operator can change.',
  fields: (t) => ({
    revision: t.exposeInt('revision', {
      description: 'Grows by exactly 1 with each committed change. Pass it back as `expectedRevision`.',
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When it was created.',
      resolve: (row) => row.created_at,
    }),
    updatedAt: t.field({
      type: 'DateTime',
      description: 'When it was last changed.',
      resolve: (row) => row.updated_at,
    }),
  }),
})
