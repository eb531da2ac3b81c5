/** The input fields that mutations have in common. Each mutation takes one of these sets, so none can forget a field. */
import type { InputFieldBuilder } from '@pothos/core'
import type { SchemaTypes } from '../schema/builder.ts'
import { Propagation } from './enums.ts'

type Fields = InputFieldBuilder<PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>, 'InputObject'>

/** The input fields of every mutation that changes the configuration. */
export function changeFields(t: Fields) {
  return {
    reason: reasonField(t),
    waitFor: t.field({
      type: Propagation,
      description: 'What to wait for before the answer.',
      required: true,
      defaultValue: 'APPLIED',
    }),
  }
}

/** The input fields of every mutation that changes an existing object. */
export function editFields(t: Fields) {
  return { expectedRevision: expectedRevisionField(t), ...changeFields(t) }
}

/** The input fields of every mutation that creates an object. */
export function createFields(t: Fields) {
  return { ...changeFields(t), idempotencyKey: idempotencyKeyField(t) }
}

export function expectedRevisionField(t: Fields) {
  return t.int({
    description:
      'The `revision` that the caller has read. If the current revision differs, the answer is `REVISION_CONFLICT`. Omitted: not checked.',
  })
}

export function reasonField(t: Fields) {
  return t.string({
    description: 'The reason for the change, shown in the history and the audit log; at most 1,024 characters.',
  })
}

function idempotencyKeyField(t: Fields) {
  return t.string({
    description: 'A repeat with the same key within 24 h changes nothing and gets the first answer again.',
  })
}
