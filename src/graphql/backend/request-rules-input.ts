import type { InputFieldBuilder } from '@pothos/core'
import { builder, type SchemaTypes } from '../schema/builder.ts'

export const BackendRequestRulesInput = builder.inputType('BackendRequestRulesInput', {
  description:
    'What the gateway changes in requests to a backend, and which headers it passes. Replaces all earlier rules.',
  fields: (t) => ({
    passHeaders: t.stringList({
      description:
        'Headers of the client to pass upstream besides the fixed list, at most 32. A header that carries a credential is refused.',
      required: true,
      defaultValue: [],
    }),
    passResponseHeaders: t.stringList({
      description:
        'Headers of the upstream to pass to the client besides the fixed list, at most 32. Cookies are refused.',
      required: true,
      defaultValue: [],
    }),
    addStreamUsage: t.boolean({
      description:
        '`false`: the gateway never adds `stream_options`. Token counts are then those that the upstream reports unasked, or estimates.',
      required: true,
      defaultValue: true,
    }),
  }),
})

type InputFields = InputFieldBuilder<PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>, 'InputObject'>

/** The input fields `requestRules` and `caCertificates` of providers and deployments. `omitted` says what an omitted field means. */
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
