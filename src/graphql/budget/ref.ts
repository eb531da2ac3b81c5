import type { BudgetRow } from '../../storage/budget/read.ts'
import { builder } from '../schema/builder.ts'

export const BudgetRef = builder.objectRef<BudgetRow>('Budget')
