from collections.abc import Callable, Sequence
from os import PathLike
from types import ModuleType
from typing import IO, Any, Protocol, final

from typing_extensions import Buffer, disjoint_base

from isobit.core import _ArrayLike, Device, DeviceType, Dtype, Stream, array
__all__ = ['norm', 'qr', 'svd', 'inv', 'tri_inv', 'cholesky', 'cholesky_inv', 'pinv', 'cross', 'eigvals', 'eig', 'eigvalsh', 'eigh', 'lu', 'lu_factor', 'solve', 'solve_triangular', 'det', 'slogdet']

def cholesky(a: _ArrayLike, upper: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The lower triangular `l` with `a = l @ l.T` of a symmetric positive semidefinite matrix, or with `upper` the upper
    triangular `u` with `a = u.T @ u`. Only that triangle of `a` is looked at.

    Shapes:
    `[..., n, n]` to the same.

    Dtypes:
    float32, float64. Computed in double precision.

    Gradients:
    Murray (2016), "Differentiation of the Cholesky decomposition"; a symmetric matrix's, all in the triangle that is looked
    at. Where the matrix is singular there is none: an error.

    Errors:
    Matrices that are not square; when evaluated, a matrix that is not positive semidefinite up to rounding. A matrix that
    holds a NaN or an infinity has a factor of NaN."""

def cholesky_inv(a: _ArrayLike, upper: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The inverse of the matrix whose Cholesky factor is `l`: of `l @ l.T`, or of `l.T @ l` for an `upper` one.

    Shapes:
    `[..., n, n]` to the same.

    Dtypes:
    float32, float64, complex64. Computed in double precision; the factor's inverse is rounded.

    Gradients:
    Those of `tri_inv` and a product.

    Errors:
    Matrices that are not square; when evaluated, a zero on the diagonal."""

def cross(a: _ArrayLike, b: _ArrayLike, axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The cross product of vectors of three elements along `axis`; of two, which count as having a third of 0.

    Shapes:
    Broadcast together; the result has three elements along `axis`.

    Errors:
    An axis out of range, vectors of other than two or three elements."""

def det(a: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The determinant: of matrices of up to three rows by the formula, of larger ones by LU factorisation.

    Shapes:
    `[..., n, n]` to `[...]`.

    Dtypes:
    float32, float64; integers and bools are computed in float32.

    Gradients:
    Those of the formula, or of the factors: then a singular matrix has none (an error).

    Errors:
    Matrices that are not square."""

def eig(a: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> tuple[array, array]:
    """`(w, v)` with `a @ v = v @ diag(w)` of a square matrix: `w` ascends by real part, then by imaginary part; the columns of
    `v` have length 1, and the first element of a column that is about as large as its largest (0.999 of it) is positive.

    Shapes:
    `[..., n, n]` to `[..., n]` and `[..., n, n]`.

    Dtypes:
    float32, float64, complex64; the results are complex64. Computed in double precision.

    Gradients:
    Boeddeker et al. (2017), with lengths and phases kept, where eigenvalues are different. At equal ones there is none: an
    error, infinities or NaN.

    Errors:
    Matrices that are not square. A matrix that holds a NaN or an infinity has values and vectors of NaN."""

def eigh(a: _ArrayLike, UPLO: str = ..., *, stream: Stream | Device | DeviceType | None = ...) -> tuple[array, array]:
    """`(w, v)` with `a @ v = v @ diag(w)` of a symmetric or Hermitian matrix, of which only the lower triangle is looked at, or
    the `upper` one: `w` ascends, the columns of `v` are orthonormal. The first element of a column that is about as large as its
    largest (0.999 of it) is positive.

    Shapes:
    `[..., n, n]` to `[..., n]` and `[..., n, n]`.

    Dtypes:
    float32, float64, complex64 (`w` is float32). Computed in double precision.

    Gradients:
    Giles (2008), where eigenvalues are different; in the triangle that is looked at. At equal ones the vectors are arbitrary
    and have no derivative: infinities or NaN.

    Errors:
    Matrices that are not square. A matrix that holds a NaN or an infinity has values and vectors of NaN."""

def eigvals(a: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The eigenvalues of a square matrix: those of `eig` without the vectors.

    Shapes:
    `[..., n, n]` to `[..., n]`.

    Dtypes:
    float32, float64, complex64; the result is complex64. Computed in double precision.

    Gradients:
    As `eig`.

    Errors:
    Matrices that are not square."""

def eigvalsh(a: _ArrayLike, UPLO: str = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The eigenvalues of a symmetric or Hermitian matrix, ascending: those of `eigh` without the vectors.

    Shapes:
    `[..., n, n]` to `[..., n]`.

    Dtypes:
    float32, float64, complex64 (the result is float32). Computed in double precision.

    Gradients:
    `v* da v`, where eigenvalues are different; in the triangle that is looked at.

    Errors:
    Matrices that are not square."""

def inv(a: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The inverse of a square matrix, by LU factorisation.

    Shapes:
    `[..., n, n]` to the same.

    Dtypes:
    float32, float64, complex64. Computed in double precision; the factors are rounded.

    Gradients:
    As `solve`.

    Errors:
    Matrices that are not square; when evaluated, a singular one."""

def lu(a: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> tuple[array, array, array]:
    """`(p, l, u)` with `a = (l @ u)[p]`: `l` is lower triangular with ones on its diagonal, `u` upper triangular. The rows are
    chosen by partial pivoting: in every column the largest magnitude, the first of equals.

    Shapes:
    `[..., m, n]` to `[..., m]`, `[..., m, k]` and `[..., k, n]` with `k = min(m, n)`.

    Dtypes:
    float32, float64, complex64; `p` is uint32. Computed in double precision.

    Gradients:
    Of the permuted matrix, where its first `k` columns are linearly independent.

    Errors:
    Fewer than two dimensions. Singular matrices have factors. A matrix that holds a NaN or an infinity has factors of NaN."""

def lu_factor(a: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> tuple[array, array]:
    """`(lu, pivots)`: the factors of `lu` in one matrix, `l` without its diagonal below that of `u`; step `i` exchanged row
    `i` with row `pivots[i]`.

    Shapes:
    `[..., m, n]` to `[..., m, n]` and `[..., min(m, n)]`.

    Dtypes:
    float32, float64, complex64; `pivots` is uint32. Computed in double precision.

    Gradients:
    As `lu`.

    Errors:
    Fewer than two dimensions."""

def norm(a: _ArrayLike, /, ord: int | float | str | None = ..., axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The norm over `axes`: of vectors if there is one axis, of matrices if there are two. With `..` and the default order,
    the Euclidean norm of all elements.

    Dtypes:
    Floats; integers and bools are computed in float32.

    Errors:
    An order that does not exist for the number of axes.

    Gradients:
    Those of what the norm is made of; of singular values, `u v*`."""

def pinv(a: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The Moore-Penrose pseudo-inverse: `v @ diag(1 / s) @ u*` of the singular values that are larger than
    `10 max(m, n) eps` of the largest one, where `eps` is that of the dtype.

    Shapes:
    `[..., m, n]` to `[..., n, m]`.

    Dtypes:
    float32, float64, complex64. Computed in double precision.

    Gradients:
    Golub and Pereyra (1973), where the rank does not change.

    Errors:
    Fewer than two dimensions. A matrix that holds a NaN or an infinity has a pseudo-inverse of NaN."""

def qr(a: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> tuple[array, array]:
    """`(q, r)` with `a = q @ r`: the columns of `q` are orthonormal, `r` is upper triangular. The diagonal of a real `r` has the
    signs of Householder reflections, as LAPACK has them; that of a complex one is not negative.

    Shapes:
    `[..., m, n]` to `[..., m, k]` and `[..., k, n]` with `k = min(m, n)`.

    Dtypes:
    float32, float64, complex64. Computed in double precision.

    Gradients:
    By Walter and Lehmann ("Walter's method", 2012), where the first `k` columns are linearly independent. Otherwise `q` is
    arbitrary in part and has no derivative: an error, or NaN.

    Errors:
    Fewer than two dimensions. A matrix that holds a NaN or an infinity is no error: its factors are NaN."""

def slogdet(a: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> tuple[array, array]:
    """`(sign, logabsdet)`: the sign of the determinant (0 of a singular matrix) and the logarithm of its magnitude, by LU
    factorisation. It neither overflows nor underflows.

    Shapes:
    `[..., n, n]` to `[...]` twice.

    Dtypes:
    float32, float64; integers and bools are computed in float32.

    Gradients:
    Those of the factors, for `logabsdet`; a singular matrix has none.

    Errors:
    Matrices that are not square."""

def solve(a: _ArrayLike, b: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The `x` with `a @ x = b`, by LU factorisation.

    Shapes:
    `a` is `[..., n, n]`, `b` `[..., n, k]` or one vector `[n]`; leading axes are broadcast together.

    Dtypes:
    float32, float64 or complex64 together. Computed in double precision; the factors are rounded.

    Gradients:
    Those of the factors and of the systems with them.

    Errors:
    Shapes that do not fit; when evaluated, a singular matrix."""

def solve_triangular(a: _ArrayLike, b: _ArrayLike, *, upper: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The `x` with `a @ x = b`, where `a` is lower or `upper` triangular: what lies in the other triangle is not looked at.

    Shapes:
    `a` is `[..., n, n]`, `b` `[..., n, k]` or one vector `[n]`; leading axes are broadcast together.

    Dtypes:
    float32, float64 or complex64 together. Computed in double precision.

    Gradients:
    Giles (2008): the cotangent of `b` solves the adjoint system, that of `a` is its product with `-x*`, in the triangle.

    Errors:
    Shapes that do not fit; when evaluated, a zero on the diagonal."""

def svd(a: _ArrayLike, compute_uv: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array | tuple[array, array, array]:
    """`(u, s, vt)` with `a = u @ diag(s) @ vt`: the columns of `u` and the rows of `vt` are orthonormal, `s` is not negative and
    descends. The first element of a column of `u` that is about as large as its largest (0.999 of it) is positive, which fixes
    the signs (of complex vectors the phases) of both. With `full`, `u` and `vt` are square: completed to bases.

    Shapes:
    `[..., m, n]` to `[..., m, k]`, `[..., k]`, `[..., k, n]` with `k = min(m, n)`; with `full` to `[..., m, m]`, `[..., k]`,
    `[..., n, n]`.

    Dtypes:
    float32, float64, complex64 (`s` is float32). Computed in double precision.

    Gradients:
    Townsend (2016), where singular values are different and, for vectors of a matrix that is not square, not zero. At equal
    ones the vectors are arbitrary and have no derivative: infinities or NaN. The vectors that complete a basis are as arbitrary
    always; their derivative is the one that keeps them orthogonal to the others and does not turn them among themselves, which
    gives functions of the space that they span the right one.

    Errors:
    Fewer than two dimensions. A matrix that holds a NaN or an infinity is no error: its factors are NaN."""

def tri_inv(a: _ArrayLike, upper: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The inverse of a lower or `upper` triangular matrix; what lies in the other triangle is not looked at, and 0 in the result.

    Shapes:
    `[..., n, n]` to the same.

    Dtypes:
    float32, float64, complex64. Computed in double precision.

    Gradients:
    Those of a triangular system.

    Errors:
    Matrices that are not square; when evaluated, a zero on the diagonal."""
