import { builder } from '../schema/builder.ts'
import { ApiKeyScope } from './enums.ts'
import { createFields, editFields } from '../kit/change-fields.ts'

export const ApiKeyCreateInput = builder.inputType('ApiKeyCreateInput', {
  description: 'A new key.',
  fields: (t) => ({
    name: t.string({ description: 'For people.', required: true }),
    ownerId: t.id({ description: 'Owner of the key. Omitted: the caller.' }),
    scopes: t.field({
      type: [ApiKeyScope],
      description: 'What it may do; never more than its owner.',
      required: true,
      defaultValue: ['INFERENCE'],
    }),
    routeIds: t.field({
      type: ['ID'],
      description: 'Routes that the key may call. Omitted or null: all that its owner may call.',
    }),
    expiresAt: t.field({ type: 'DateTime', description: 'When the key expires. Null or omitted: never.' }),
    ...createFields(t),
    idempotencyKey: t.string({
      description:
        'A repeat with the same key within 24 h gets the same API key, with `secret` null because the secret is not stored.',
    }),
  }),
})

export const ApiKeyUpdateInput = builder.inputType('ApiKeyUpdateInput', {
  description: 'Omitted fields stay as they are.',
  fields: (t) => ({
    id: t.id({ description: 'Which key.', required: true }),
    name: t.string({ description: 'For people.' }),
    routeIds: t.field({
      type: ['ID'],
      description: 'Routes that the key may call. Null: all that its owner may call.',
    }),
    expiresAt: t.field({ type: 'DateTime', description: 'When the key expires; null: never.' }),
    ...editFields(t),
  }),
})

export const ApiKeyRotateInput = builder.inputType('ApiKeyRotateInput', {
  description: 'Gives a key another secret.',
  fields: (t) => ({
    id: t.id({ description: 'Which key.', required: true }),
    overlapMs: t.field({
      type: 'SafeInt',
      description: 'How long the replaced secret stays valid, 0 to 30 days. 0: all earlier secrets end at once.',
      required: true,
      defaultValue: 0,
    }),
    expiresAt: t.field({ type: 'DateTime', description: 'When the key expires. Omitted: unchanged; null: never.' }),
    ...editFields(t),
    ...createFields(t),
  }),
})

export const ApiKeyRevokeInput = builder.inputType('ApiKeyRevokeInput', {
  description: 'Revokes a key permanently.',
  fields: (t) => ({
    id: t.id({ description: 'Which key.', required: true }),
    ...editFields(t),
  }),
})
