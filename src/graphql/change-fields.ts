/** The input fields that many mutations have in common. */
import type { InputFieldBuilder } from '@pothos/core'
import type { SchemaTypes } from './builder.ts'
import { Propagation } from './enums.ts'

type Fields = InputFieldBuilder<PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>, 'InputObject'>

export function expectedRevisionField(t: Fields) {
  return t.int({
    description:
      'The `revision` that the change was thought out for: another one is a conflict. Omitted: whatever it is.',
  })
}

export function reasonField(t: Fields) {
  return t.string({ description: 'Why, for those who read the history; at most 1,024 characters.' })
}

export function idempotencyKeyField(t: Fields) {
  return t.string({ description: 'With the same key within 24 h: the first answer again, nothing done twice.' })
}

export function waitForField(t: Fields) {
  return t.field({
    type: Propagation,
    description: 'What to wait for before the answer.',
    required: true,
    defaultValue: 'APPLIED',
  })
}
