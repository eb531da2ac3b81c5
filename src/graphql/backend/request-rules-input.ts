import type { InputFieldBuilder } from '@pothos/core'
import { builder, type SchemaTypes } from '../schema/builder.ts'

export const BackendRequestRulesInput = builder.inputType('BackendRequestRulesInput', {
  description: 'What the gateway changes in requests to a backend, and what it lets through: the whole of it.',
  fields: (t) => ({
    passHeaders: t.stringList({
      description:
        "Client's headers to pass on besides the fixed list, at most 32; never one that carries a credential.",
      required: true,
      defaultValue: [],
    }),
    passResponseHeaders: t.stringList({
      description: "Upstream's headers to pass to the client besides the fixed list, at most 32; never a cookie.",
      required: true,
      defaultValue: [],
    }),
    addStreamUsage: t.boolean({
      description:
        '`false`: `stream_options` is never added; tokens then are what upstream says by itself, or an estimate.',
      required: true,
      defaultValue: true,
    }),
  }),
})

type InputFields = InputFieldBuilder<PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>, 'InputObject'>

/** What may pass to a backend and back, and whom it trusts, in the inputs of providers and deployments. */
export function passageFields(t: InputFields, omitted: string) {
  return {
    requestRules: t.field({
      type: BackendRequestRulesInput,
      description: `What passes besides the fixed lists. Null: nothing. Omitted: ${omitted}.`,
    }),
    caCertificates: t.string({
      description: `PEM of certificate authorities to trust besides the system's, at most 32. Null: none. Omitted: ${omitted}.`,
    }),
  }
}
