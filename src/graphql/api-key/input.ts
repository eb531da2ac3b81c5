import { builder } from '../schema/builder.ts'
import { ApiKeyScope } from './enums.ts'
import { createFields, editFields } from '../kit/change-fields.ts'

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
    ...createFields(t),
    idempotencyKey: t.string({
      description: 'With the same key within 24 h: the same ApiKey again, with `secret` null, because it is not kept.',
    }),
  }),
})

export const ApiKeyUpdateInput = builder.inputType('ApiKeyUpdateInput', {
  description: 'Omitted fields stay as they are.',
  fields: (t) => ({
    id: t.id({ description: 'Which key.', required: true }),
    name: t.string({ description: 'For people.' }),
    routeIds: t.field({ type: ['ID'], description: 'Null: all that its owner may.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'Null: never.' }),
    ...editFields(t),
  }),
})

export const ApiKeyRotateInput = builder.inputType('ApiKeyRotateInput', {
  description: 'Gives a key another secret.',
  fields: (t) => ({
    id: t.id({ description: 'Which key.', required: true }),
    overlapMs: t.field({
      type: 'SafeInt',
      description:
        '0 to 30 days: for so long the secret that is replaced stays good. 0: all earlier secrets end at once.',
      required: true,
      defaultValue: 0,
    }),
    expiresAt: t.field({ type: 'DateTime', description: 'Omitted: as it is; null: never.' }),
    ...editFields(t),
    ...createFields(t),
  }),
})

export const ApiKeyRevokeInput = builder.inputType('ApiKeyRevokeInput', {
  description: 'Revokes a key for ever.',
  fields: (t) => ({
    id: t.id({ description: 'Which key.', required: true }),
    ...editFields(t),
  }),
})
