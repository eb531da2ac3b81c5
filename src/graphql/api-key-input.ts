import { builder } from './builder.ts'
import { ApiKeyScope } from './enums.ts'
import { expectedRevisionField, waitForField } from './change-fields.ts'

export const ApiKeyCreateInput = builder.inputType('ApiKeyCreateInput', {
  description: 'A new key.',
  fields: (t) => ({
    name: t.string({ description: 'For people.', required: true }),
    ownerId: t.id({ description: 'Omitted: the caller.' }),
    scopes: t.field({
      type: [ApiKeyScope],
      description: 'What it may do; never more than its owner.',
      required: true,
      defaultValue: ['INFERENCE'],
    }),
    routeIds: t.field({ type: ['ID'], description: 'Omitted or null: all that its owner may.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'Null or omitted: never.' }),
    idempotencyKey: t.string({
      description: 'With the same key within 24 h: the same ApiKey again, with `secret` null, because it is not kept.',
    }),
  }),
})

export const ApiKeyUpdateInput = builder.inputType('ApiKeyUpdateInput', {
  description: 'Omitted fields stay as they are.',
  fields: (t) => ({
    id: t.id({ description: 'Which key.', required: true }),
    expectedRevision: expectedRevisionField(t),
    name: t.string({ description: 'For people.' }),
    routeIds: t.field({ type: ['ID'], description: 'Null: all that its owner may.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'Null: never.' }),
  }),
})

export const ApiKeyRevokeInput = builder.inputType('ApiKeyRevokeInput', {
  description: 'Revokes a key for ever.',
  fields: (t) => ({
    id: t.id({ description: 'Which key.', required: true }),
    waitFor: waitForField(t),
  }),
})
