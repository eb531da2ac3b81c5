/** Bounds on what a document may look like, on top of the rules of the GraphQL specification. */
import {
  type ASTVisitor,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
  type ValidationContext,
  ValuesOfCorrectTypeRule,
} from 'graphql'
import { type FaultCode, fault } from '../kit/fault.ts'
import { maskValues } from './mask-values.ts'
import { textProblem } from './text-bounds.ts'

/** Most lexical tokens of a document; the parser stops there. */
export const maxTokens = 15_000
const maxAliases = 50
const maxDirectives = 50
const maxRootMutationFields = 20

/** Bounds aliases: a field is computed once per alias. */
export function AliasesRule(context: ValidationContext): ASTVisitor {
  return countNodes(context, maxAliases, 'aliases', (node) => node.kind === Kind.FIELD && node.alias !== undefined, [
    'Field',
  ])
}

export function DirectivesRule(context: ValidationContext): ASTVisitor {
  return countNodes(context, maxDirectives, 'directives', () => true, ['Directive'])
}

function countNodes(
  context: ValidationContext,
  most: number,
  what: string,
  counts: (node: FieldNode) => boolean,
  [kind]: readonly ['Field' | 'Directive'],
): ASTVisitor {
  let count = 0
  return {
    [kind]: (node: FieldNode) => {
      if (counts(node) && ++count === most + 1)
        context.reportError(fault('QUERY_TOO_COMPLEX', `A document has at most ${most} ${what}.`, { nodes: node }))
    },
  }
}

/** Bounds the root fields of a mutation, each of which is a transaction. */
export function RootMutationFieldsRule(context: ValidationContext): ASTVisitor {
  return {
    OperationDefinition(node: OperationDefinitionNode) {
      if (node.operation !== OperationTypeNode.MUTATION) return
      if (countFields(context, node.selectionSet, new Set()) <= maxRootMutationFields) return
      const message = `An operation has at most ${maxRootMutationFields} mutation fields.`
      context.reportError(fault('QUERY_TOO_COMPLEX', message, { nodes: node }))
    },
  }
}

function countFields(
  context: ValidationContext,
  { selections }: SelectionSetNode,
  open: ReadonlySet<FragmentDefinitionNode>,
): number {
  let count = 0
  for (const selection of selections) {
    if (count > maxRootMutationFields) break
    if (selection.kind === Kind.FIELD) count++
    else if (selection.kind === Kind.INLINE_FRAGMENT) count += countFields(context, selection.selectionSet, open)
    else {
      const fragment = context.getFragment(selection.name.value)
      // Another rule reports circular fragments.
      if (fragment && !open.has(fragment))
        count += countFields(context, fragment.selectionSet, new Set([...open, fragment]))
    }
  }
  return count
}

/**
 * Forbids the variable name `__proto__`: an object would not keep that variable, and the cost would be computed for another value than
 * the executed one.
 */
export function VariableNamesRule(context: ValidationContext): ASTVisitor {
  return {
    VariableDefinition({ variable }) {
      if (variable.name.value !== '__proto__') return
      context.reportError(fault('BAD_USER_INPUT', 'A variable cannot be named `__proto__`.', { nodes: variable }))
    },
  }
}

/** Checks the strings in the document; the strings in the variables are checked when it runs. */
export function TextRule(context: ValidationContext): ASTVisitor {
  return {
    StringValue(node) {
      const problem = textProblem(node.value)
      if (problem) context.reportError(fault('BAD_USER_INPUT', problem, { nodes: node }))
    },
  }
}

/** The rule of the specification, with the error code that the same fault has in a variable. */
export function CodedValuesRule(context: ValidationContext): ASTVisitor {
  const reportError: ValidationContext['reportError'] = (error) => {
    const code = (error.extensions['code'] as FaultCode | undefined) ?? 'BAD_USER_INPUT'
    context.reportError(fault(code, maskValues(error.message), { nodes: error.nodes, extensions: error.extensions }))
  }
  return ValuesOfCorrectTypeRule(Object.create(context, { reportError: { value: reportError } }) as ValidationContext)
}
