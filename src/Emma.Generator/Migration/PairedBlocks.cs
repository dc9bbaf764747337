using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.Generator.Migration;

// Whether a block of AllocHGlobal is allocated and freed within sight: it lies in a local variable or a private field, which is given
// nothing else and is freed there. All of its calls can move to a heap together then.
internal static class PairedBlocks
{
    public static bool IsPaired(InvocationExpressionSyntax call, string method, SemanticModel model, CancellationToken token)
    {
        bool takes = method != "AllocHGlobal";
        bool gives = method != "FreeHGlobal";
        return (!takes || IsClosed(VariableIn(FirstArgument(call), model, token), model, token))
            && (!gives || IsClosed(VariableGiven(call, model, token), model, token));
    }

    // Whether all that is ever assigned to a variable is a block of AllocHGlobal or nothing, and it is freed.
    private static bool IsClosed(ISymbol? variable, SemanticModel model, CancellationToken token)
    {
        if (variable is null || ScopeOf(variable, model, token) is not SyntaxNode scope)
            return false;

        bool isAllocated = false;
        bool isFreed = false;
        foreach (IdentifierNameSyntax name in scope.DescendantNodes().OfType<IdentifierNameSyntax>())
        {
            if (name.Identifier.ValueText != variable.Name
                || !SymbolEqualityComparer.Default.Equals(model.GetSymbolInfo(name, token).Symbol, variable))
            {
                continue;
            }

            ExpressionSyntax place = name.Parent is MemberAccessExpressionSyntax access && access.Name == name ? access : name;
            switch (place.Parent)
            {
                case AssignmentExpressionSyntax assignment when assignment.Left == place:
                    if (!assignment.IsKind(SyntaxKind.SimpleAssignmentExpression) || !IsBlockOrNothing(assignment.Right, ref isAllocated))
                        return false;
                    break;
                case ArgumentSyntax { RefKindKeyword.RawKind: not 0 }:
                case ArgumentSyntax { Parent: TupleExpressionSyntax { Parent: AssignmentExpressionSyntax } }:
                case RefExpressionSyntax:
                case PrefixUnaryExpressionSyntax prefix when !prefix.IsKind(SyntaxKind.LogicalNotExpression):
                case PostfixUnaryExpressionSyntax postfix when !postfix.IsKind(SyntaxKind.SuppressNullableWarningExpression):
                    return false;
            }

            isFreed |= Outermost(place).Parent is ArgumentSyntax { Parent.Parent: InvocationExpressionSyntax call }
                && NameOf(call) is "FreeHGlobal" && FirstArgument(call) == Outermost(place)
                && IsOfMarshal(call, model, token);
        }

        foreach (VariableDeclaratorSyntax declarator in scope.DescendantNodesAndSelf().OfType<VariableDeclaratorSyntax>())
        {
            if (declarator.Identifier.ValueText == variable.Name
                && SymbolEqualityComparer.Default.Equals(model.GetDeclaredSymbol(declarator, token), variable)
                && declarator.Initializer is EqualsValueClauseSyntax initializer
                && !IsBlockOrNothing(initializer.Value, ref isAllocated))
            {
                return false;
            }
        }

        return isAllocated && isFreed;

        bool IsBlockOrNothing(ExpressionSyntax value, ref bool isBlock)
        {
            value = Inner(value);
            if (value is InvocationExpressionSyntax call)
            {
                bool isOne = NameOf(call) is "AllocHGlobal" or "ReAllocHGlobal" && IsOfMarshal(call, model, token);
                isBlock |= isOne;
                return isOne;
            }

            return value is LiteralExpressionSyntax or DefaultExpressionSyntax
                || (value is MemberAccessExpressionSyntax zero && zero.Name.Identifier.ValueText == "Zero");
        }
    }

    // Where the variable can be named: the member it is local to, or the type it is private to, if that lies in this file.
    private static SyntaxNode? ScopeOf(ISymbol variable, SemanticModel model, CancellationToken token) => variable switch
    {
        ILocalSymbol { RefKind: RefKind.None } => variable.DeclaringSyntaxReferences[0].GetSyntax(token)
            is VariableDeclaratorSyntax { Parent.Parent: LocalDeclarationStatementSyntax } declarator
            ? declarator.FirstAncestorOrSelf<SyntaxNode>(static node => node is MemberDeclarationSyntax and not GlobalStatementSyntax
                or CompilationUnitSyntax)
            : null,
        IFieldSymbol { DeclaredAccessibility: Accessibility.Private, RefKind: RefKind.None, ContainingType: INamedTypeSymbol type } =>
            type.DeclaringSyntaxReferences.Length == 1 && type.DeclaringSyntaxReferences[0].SyntaxTree == model.SyntaxTree
            ? type.DeclaringSyntaxReferences[0].GetSyntax(token)
            : null,
        _ => null,
    };

    // The variable that an expression names, with its conversions.
    private static ISymbol? VariableIn(ExpressionSyntax? expression, SemanticModel model, CancellationToken token) =>
        expression is null || Inner(expression) is not ExpressionSyntax inner
            || inner is not (IdentifierNameSyntax
                or MemberAccessExpressionSyntax { Expression: ThisExpressionSyntax or IdentifierNameSyntax })
            ? null
            : model.GetSymbolInfo(inner, token).Symbol;

    // The variable that a call's result is assigned to.
    private static ISymbol? VariableGiven(InvocationExpressionSyntax call, SemanticModel model, CancellationToken token) =>
        Outermost(call).Parent switch
        {
            AssignmentExpressionSyntax { RawKind: (int)SyntaxKind.SimpleAssignmentExpression } assignment
                when assignment.Right == Outermost(call) && assignment.Parent is ExpressionStatementSyntax =>
                VariableIn(assignment.Left, model, token),
            EqualsValueClauseSyntax { Parent: VariableDeclaratorSyntax declarator } => model.GetDeclaredSymbol(declarator, token),
            _ => null,
        };

    private static ExpressionSyntax? FirstArgument(InvocationExpressionSyntax call) =>
        call.ArgumentList.Arguments.FirstOrDefault()?.Expression;

    private static string? NameOf(InvocationExpressionSyntax call) =>
        ((call.Expression as MemberAccessExpressionSyntax)?.Name ?? call.Expression as SimpleNameSyntax)?.Identifier.ValueText;

    private static bool IsOfMarshal(InvocationExpressionSyntax call, SemanticModel model, CancellationToken token) =>
        BaseLibraryMemory.IsMarshal((model.GetSymbolInfo(call, token).Symbol as IMethodSymbol)?.ContainingType);

    private static ExpressionSyntax Inner(ExpressionSyntax expression)
    {
        while (true)
        {
            switch (expression)
            {
                case CastExpressionSyntax cast:
                    expression = cast.Expression;
                    break;
                case ParenthesizedExpressionSyntax parentheses:
                    expression = parentheses.Expression;
                    break;
                default:
                    return expression;
            }
        }
    }

    private static ExpressionSyntax Outermost(ExpressionSyntax expression)
    {
        while (expression.Parent is CastExpressionSyntax or ParenthesizedExpressionSyntax)
            expression = (ExpressionSyntax)expression.Parent;
        return expression;
    }
}
