import { builder } from '../schema/builder.ts'
import { RouteRefInput, TargetRefInput } from '../kit/references-input.ts'
import { changeFields, editFields, expectedRevisionField } from '../kit/change-fields.ts'

export const TargetWeightInput = builder.inputType('TargetWeightInput', {
  description: 'The new weight of one target.',
  fields: (t) => ({
    target: t.field({ type: TargetRefInput, description: 'Which target.', required: true }),
    weight: t.int({ description: '0 to 1,000,000.', required: true }),
  }),
})

export const RouteTrafficSetInput = builder.inputType('RouteTrafficSetInput', {
  description:
    'Sets all weights of a route at once. Targets that are not listed get 0. Requests in flight are not affected.',
  fields: (t) => ({
    route: t.field({ type: RouteRefInput, description: 'Which route.', required: true }),
    weights: t.field({
      type: [TargetWeightInput],
      description: 'The new weights: at least one above 0, each target at most once.',
      required: true,
    }),
    ...editFields(t),
  }),
})

export const RouteTrafficChangeInput = builder.inputType('RouteTrafficChangeInput', {
  description: 'All weights of one route. Targets that are not listed get 0.',
  fields: (t) => ({
    route: t.field({ type: RouteRefInput, description: 'Which route.', required: true }),
    expectedRevision: expectedRevisionField(t),
    weights: t.field({
      type: [TargetWeightInput],
      description: 'The new weights: at least one above 0, each target at most once.',
      required: true,
    }),
  }),
})

export const RouteTrafficBulkSetInput = builder.inputType('RouteTrafficBulkSetInput', {
  description: 'Sets the weights of several routes in one transaction, all or none.',
  fields: (t) => ({
    changes: t.field({
      type: [RouteTrafficChangeInput],
      description: 'The changes: 1 to 100, each route at most once.',
      required: true,
    }),
    ...changeFields(t),
  }),
})
