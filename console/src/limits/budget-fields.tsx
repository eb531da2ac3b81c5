import { formText } from '../ui/form-text.ts'

const periods = ['MONTH', 'DAY', 'WEEK', 'QUARTER', 'YEAR', 'TOTAL'] as const
const actions = ['REFUSE', 'SKIP_PRICED', 'NOTIFY'] as const

type Period = (typeof periods)[number]
type Action = (typeof actions)[number]

export function AmountField({ amount = '100' }: { readonly amount?: string }) {
  return (
    <label>
      USD
      <input
        name="amount"
        inputMode="decimal"
        pattern="[0-9]+(\.[0-9]+)?"
        title="USD, e.g. 25 or 2.50"
        defaultValue={amount}
        required
      />
    </label>
  )
}

export function PeriodField({ period = 'MONTH' }: { readonly period?: Period }) {
  return (
    <label>
      For
      <select name="period" defaultValue={period}>
        <option value="MONTH">each month</option>
        <option value="DAY">each day</option>
        <option value="WEEK">each week</option>
        <option value="QUARTER">each quarter</option>
        <option value="YEAR">each year</option>
        <option value="TOTAL">ever</option>
      </select>
    </label>
  )
}

export function ActionField({ action = 'REFUSE' }: { readonly action?: Action }) {
  return (
    <label>
      When it is used up
      <select name="action" defaultValue={action}>
        <option value="REFUSE">requests are refused</option>
        <option value="SKIP_PRICED">only backends without a price are used: one’s own</option>
        <option value="NOTIFY">it is only told</option>
      </select>
    </label>
  )
}

export function readPeriod(form: HTMLFormElement): Period {
  return periods.find((period) => period === formText(form, 'period')) ?? 'MONTH'
}

export function readAction(form: HTMLFormElement): Action {
  return actions.find((action) => action === formText(form, 'action')) ?? 'REFUSE'
}
