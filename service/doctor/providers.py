"""The check of `doctor` on identity providers: that the groups exist which their claims are mapped to."""

from collections.abc import Sequence

from service.doctor.checks import Finding


def check_mapped_groups(missing: Sequence[tuple[str, Sequence[str]]]) -> Finding:
    """Check that every group exists which a claim is mapped to: whoever has the claim gets nothing by another."""
    if not missing:
        return Finding("mapped groups", "ok", "all that OIDC_GROUPS maps to exist")
    found = "; ".join(f"{issuer} is mapped to {', '.join(names)}" for issuer, names in missing)
    remedy = "Make them by `group create`, or correct OIDC_GROUPS: by a group that does not exist nobody gets anything."
    return Finding("mapped groups", "warning", f"groups that do not exist: {found}", remedy)
