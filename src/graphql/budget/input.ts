import { builder } from '../schema/builder.ts'
import { createFields, editFields } from '../kit/change-fields.ts'
import { LimitDimension } from '../limit/enums.ts'
import { LimitSubjectInput } from '../limit/subject.ts'
import { BudgetAction, BudgetPeriod } from './enums.ts'

const amount = 'The amount per period in USD, more than 0 and less than 10^12, with at most 12 decimal places.'
const warnAt =
  'Shares of the amount that `budgetChanged` reports once per period when they are reached: more than 0, at most 1, ascending, at most 8.'
const unpricedReserve =
  'The cost in USD that is reserved for a request to a backend without a price; null: the budget does not hold such requests back.'

export const BudgetCreateInput = builder.inputType('BudgetCreateInput', {
  description: 'A new budget.',
  fields: (t) => ({
    subject: t.field({ type: LimitSubjectInput, required: true, description: 'The object to which it applies.' }),
    per: t.field({
      type: [LimitDimension],
      required: true,
      defaultValue: [],
      description: 'It is counted separately for each value of these; empty: all requests of the subject share it.',
    }),
    amount: t.field({ type: 'Decimal', required: true, description: amount }),
    period: t.field({
      type: BudgetPeriod,
      required: true,
      defaultValue: 'MONTH',
      description: 'How long a period lasts. Each period begins with the full amount.',
    }),
    timeZone: t.string({
      required: true,
      defaultValue: 'UTC',
      description: 'IANA name of the time zone in which periods begin, e.g. `Europe/Berlin`.',
    }),
    warnAt: t.floatList({ required: true, defaultValue: [0.8], description: warnAt }),
    onExhausted: t.field({
      type: BudgetAction,
      required: true,
      defaultValue: 'REFUSE',
      description: 'What happens to requests when it is used up.',
    }),
    unpricedReserve: t.field({ type: 'Decimal', description: unpricedReserve }),
    ...createFields(t),
  }),
})

export const BudgetUpdateInput = builder.inputType('BudgetUpdateInput', {
  description:
    'Omitted fields stay as they are. The subject and `per` of a budget cannot be changed: create another budget instead. A new `period` or `timeZone` begins another period, and a raise of the earlier period ends.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which budget.' }),
    amount: t.field({ type: 'Decimal', description: amount }),
    period: t.field({
      type: BudgetPeriod,
      description: 'How long a period lasts. Each period begins with the full amount.',
    }),
    timeZone: t.string({ description: 'IANA name of the time zone in which periods begin.' }),
    warnAt: t.floatList({ description: warnAt }),
    onExhausted: t.field({ type: BudgetAction, description: 'What happens to requests when it is used up.' }),
    unpricedReserve: t.field({ type: 'Decimal', description: unpricedReserve }),
    ...editFields(t),
  }),
})

export const BudgetRaiseInput = builder.inputType('BudgetRaiseInput', {
  description: 'Adds money to the running period only.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which budget.' }),
    amount: t.field({ type: 'Decimal', required: true, description: 'USD to add.' }),
    ...editFields(t),
    ...createFields(t),
  }),
})

export const BudgetDeleteInput = builder.inputType('BudgetDeleteInput', {
  description: 'Deletes a budget. The usage keeps what was spent.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Which budget.' }), ...editFields(t) }),
})
