import {
  type DefinitionNode,
  type DocumentNode,
  type ExecutionArgs,
  type FieldNode,
  type FragmentSpreadNode,
  getArgumentValues,
  getDirectiveValues,
  getVariableValues,
  GraphQLError,
  GraphQLIncludeDirective,
  type GraphQLSchema,
  GraphQLSkipDirective,
  type InlineFragmentNode,
  Kind,
  type OperationDefinitionNode,
  separateOperations,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql'

type VariableValues = NonNullable<Parameters<typeof getArgumentValues>[2]>

/**
 * Either the operation and its fragments without the fields that `@skip` and `@include` leave out, or the errors of values that do not
 * fit.
 */
export type BoundOperation =
  | { readonly document: DocumentNode; readonly errors?: never }
  | { readonly errors: readonly GraphQLError[] }

const maxErrors = 50

/**
 * Inserts the variables into all fields of an operation before execution, so that an invalid value is found before the first field
 * runs.
 */
export function bindOperation(args: ExecutionArgs, operation: OperationDefinitionNode): BoundOperation {
  const { schema, variableValues } = args
  const bound = getVariableValues(schema, operation.variableDefinitions ?? [], { ...variableValues }, { maxErrors })
  if (bound.errors) return { errors: bound.errors }
  try {
    const document = reachedPart(args.document, operation, bound.variableValues)
    requireArguments(schema, document, bound.variableValues)
    return { document }
  } catch (error) {
    if (error instanceof GraphQLError) return { errors: [error] }
    throw error
  }
}

function reachedPart(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: VariableValues,
): DocumentNode {
  // Other operations are left out: there may be a thousand of them, and their fragments use other variables.
  const isWanted = (definition: DefinitionNode) =>
    definition === operation || definition.kind === Kind.FRAGMENT_DEFINITION
  const alone = { ...document, definitions: document.definitions.filter(isWanted) }
  return withoutUnusedFragments(withoutLeftOut(withoutUnusedFragments(alone), variables))
}

/** A document with one operation, without the fragments that it does not use. */
function withoutUnusedFragments(document: DocumentNode): DocumentNode {
  return Object.values(separateOperations(document))[0]!
}

type ConditionalNode = FieldNode | FragmentSpreadNode | InlineFragmentNode

function withoutLeftOut(document: DocumentNode, variables: VariableValues): DocumentNode {
  const drop = (node: ConditionalNode) => (isLeftOut(node, variables) ? null : undefined)
  return visit(document, { Field: drop, FragmentSpread: drop, InlineFragment: drop })
}

function isLeftOut(node: ConditionalNode, variables: VariableValues): boolean {
  return (
    getDirectiveValues(GraphQLSkipDirective, node, variables)?.['if'] === true ||
    getDirectiveValues(GraphQLIncludeDirective, node, variables)?.['if'] === false
  )
}

function requireArguments(schema: GraphQLSchema, document: DocumentNode, variables: VariableValues): void {
  const types = new TypeInfo(schema)
  const requireOf = (node: FieldNode) => {
    const field = types.getFieldDef()
    if (field) getArgumentValues(field, node, variables)
  }
  visit(document, visitWithTypeInfo(types, { Field: requireOf }))
}
