import { builder } from '../schema/builder.ts'
import { BackendRefInput, RouteRefInput, TargetRefInput } from '../kit/references-input.ts'
import { editFields } from '../kit/change-fields.ts'
import { RouteTargetInput } from './input.ts'

export const RouteTargetsSetInput = builder.inputType('RouteTargetsSetInput', {
  description: 'Replaces the whole list of targets. A target whose backend was listed before keeps its id.',
  fields: (t) => ({
    route: t.field({ type: RouteRefInput, description: 'Which route.', required: true }),
    targets: t.field({
      type: [RouteTargetInput],
      description: '1 to 64; at least one weight above 0.',
      required: true,
    }),
    ...editFields(t),
  }),
})

export const RouteTargetAddInput = builder.inputType('RouteTargetAddInput', {
  description: 'Adds a target to a route.',
  fields: (t) => ({
    route: t.field({ type: RouteRefInput, description: 'Which route.', required: true }),
    target: t.field({ type: RouteTargetInput, description: 'The new one.', required: true }),
    ...editFields(t),
  }),
})

export const RouteTargetReplaceInput = builder.inputType('RouteTargetReplaceInput', {
  description: "Puts another backend in a target's place: the same weight, one revision, no moment without it.",
  fields: (t) => ({
    route: t.field({ type: RouteRefInput, description: 'Which route.', required: true }),
    target: t.field({ type: TargetRefInput, description: 'The target to remove.', required: true }),
    backend: t.field({ type: BackendRefInput, description: 'The backend of the new target.', required: true }),
    ...editFields(t),
  }),
})

export const RouteTargetRemoveInput = builder.inputType('RouteTargetRemoveInput', {
  description: 'Refused if no weight above 0 would be left.',
  fields: (t) => ({
    route: t.field({ type: RouteRefInput, description: 'Which route.', required: true }),
    target: t.field({ type: TargetRefInput, description: 'The target to remove.', required: true }),
    ...editFields(t),
  }),
})
