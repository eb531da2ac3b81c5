import { builder } from '../schema/builder.ts'
import { createFields, editFields } from '../kit/change-fields.ts'
import { LimitDimension } from '../limit/enums.ts'
import { LimitSubjectInput } from '../limit/subject.ts'
import { BudgetAction, BudgetPeriod } from './enums.ts'

const amount = 'USD, more than 0 and less than 10^12, with at most 12 decimal places.'
const warnAt = 'Shares of the amount that are told once per period: more than 0, at most 1, ascending, at most 8.'
const unpricedReserve =
  'What a request is taken to cost at most where no price is known; null: backends without a price are not held back.'

export const BudgetCreateInput = builder.inputType('BudgetCreateInput', {
  description: 'A new budget.',
  fields: (t) => ({
    subject: t.field({ type: LimitSubjectInput, required: true, description: 'What it is about.' }),
    per: t.field({
      type: [LimitDimension],
      required: true,
      defaultValue: [],
      description: 'Counted apart for each of these; empty: all requests of the subject share it.',
    }),
    amount: t.field({ type: 'Decimal', required: true, description: amount }),
    period: t.field({
      type: BudgetPeriod,
      required: true,
      defaultValue: 'MONTH',
      description: 'After what time it opens anew.',
    }),
    timeZone: t.string({
      required: true,
      defaultValue: 'UTC',
      description: "IANA name, e.g. `Europe/Berlin`: where the period's days begin.",
    }),
    warnAt: t.floatList({ required: true, defaultValue: [0.8], description: warnAt }),
    onExhausted: t.field({
      type: BudgetAction,
      required: true,
      defaultValue: 'REFUSE',
      description: 'What becomes of requests when it is used up.',
    }),
    unpricedReserve: t.field({ type: 'Decimal', description: unpricedReserve }),
    ...createFields(t),
  }),
})

export const BudgetUpdateInput = builder.inputType('BudgetUpdateInput', {
  description: `Omitted fields stay as they are. Subject and \`per\` of a budget never change: make another one. With another period or time zone another
period runs, and a raise of the one that ran ends.`,
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which budget.' }),
    amount: t.field({ type: 'Decimal', description: amount }),
    period: t.field({ type: BudgetPeriod, description: 'After what time it opens anew.' }),
    timeZone: t.string({ description: "IANA name: where the period's days begin." }),
    warnAt: t.floatList({ description: warnAt }),
    onExhausted: t.field({ type: BudgetAction, description: 'What becomes of requests when it is used up.' }),
    unpricedReserve: t.field({ type: 'Decimal', description: unpricedReserve }),
    ...editFields(t),
  }),
})

export const BudgetRaiseInput = builder.inputType('BudgetRaiseInput', {
  description: 'More for the running period, and for no other.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which budget.' }),
    amount: t.field({ type: 'Decimal', required: true, description: 'USD, added.' }),
    ...editFields(t),
    ...createFields(t),
  }),
})

export const BudgetDeleteInput = builder.inputType('BudgetDeleteInput', {
  description: 'What was spent stays in the usage.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Which budget.' }), ...editFields(t) }),
})
