"""Spellings of adducts: each is read as one ion, with the m/z of a molecule of 200 Da, or refused."""

from __future__ import annotations

import pytest

from models_ml.spectra.adducts import normalise, precursor_mz

# Spelling, our notation, m/z for M = 200. First the precursor types of MassBank.
_READ = """
    [2M-H-C6H10O5]-        [2M-C6H10O5-H]-        236.9399
    [2M-H-CO2]-            [2M-CO2-H]-            355.0029
    [2M-H]-                [2M-H]-                398.9927
    [2M+H]+                [2M+H]+                401.0073
    [2M+Na]+               [2M+Na]+               422.9892
    [M-2H]-                [M-2H]-                197.9849
    [M-2H]--               [M-2H]2-               98.9927
    [M-2H+H2O]-            [M-2H+H2O]-            215.9955
    [M-2H2O+H]+            [M-2H2O+H]+            164.9861
    [M-C2H3O]-             [M-C2H3O]-             156.9822
    [M-C3H7O2]-            [M-C3H7O2]-            124.9559
    [M-CH3]-               [M-CH3]-               184.9771
    [M-H-C6H10O5]-         [M-C6H10O5-H]-         36.9399
    [M-H-CO2-2HF]-         [M-CO2-2HF-H]-         114.9904
    [M-H-CO2]-             [M-CO2-H]-             155.0029
    [M-H]-                 [M-H]-                 198.9927
    [M-H]+                 [M-H]+                 198.9916
    [M-H+Li]+*             [M-H+Li]+              206.0076
    [M-H+Na]+              [M-H+Na]+              221.9814
    [M-H+Na]+*             [M-H+Na]+              221.9814
    [M-H+OH]-              [M-H+OH]-              215.9955
    [M-H2O+H]+             [M-H2O+H]+             182.9967
    [M-OH]+                [M-H2O+H]+             182.9967
    [M]-                   [M]-                   200.0005
    [M]+                   [M]+                   199.9995
    [M]+*                  [M]+                   199.9995
    [M]++                  [M]2+                  99.9995
    [M+2H]++               [M+2H]2+               101.0073
    [M+2Na-H]+             [M-H+2Na]+             244.9712
    [M+CH3]+               [M+CH3]+               215.0229
    [M+CH3COO]-            [M+CH3COO]-            259.0139
    [M+CH3COOH-H]-         [M+CH3COO]-            259.0139
    [M+H-C12H20O9]+        [M-C12H20O9+H]+        -107.1035
    [M+H-C6H10O4]+         [M-C6H10O4+H]+         54.9494
    [M+H-C6H10O5]+         [M-C6H10O5+H]+         38.9545
    [M+H-H2O]+             [M-H2O+H]+             182.9967
    [M+H]+                 [M+H]+                 201.0073
    [M+HCOO]-              [M+HCOO]-              244.9982
    [M+K-2H]-              [M-2H+K]-              236.9486
    [M+K]+                 [M+K]+                 238.9632
    [M+Li]+*               [M+Li]+                207.0155
    [M+Na]+                [M+Na]+                222.9892
    [M+Na]+*               [M+Na]+                222.9892
    [M+NH3+H]+             [M+NH4]+               218.0338
    [M+NH4]+               [M+NH4]+               218.0338
    [M+HCOO-]-             [M+HCOO]-              244.9982
    [(M+NH3)+H]+           [M+NH4]+               218.0338
    [(M+CH3COOH)-H]-       [M+CH3COO]-            259.0139
    [M+3H]3+               [M+3H]3+               67.6739
    [M+4H]4+               [M+4H]4+               51.0073
    [M+H+Na]2+             [M+H+Na]2+             111.9982
    [M-3H]3-               [M-3H]3-               65.6594
    [M+H+K]2+              [M+H+K]2+              119.9852
    [M+2K-H]+              [M-H+2K]+              276.9190
    [M-H2O-H]-             [M-H2O-H]-             180.9822
    [M+Na-2H]-             [M-2H+Na]-             220.9747
    [M+Cl]-                [M+Cl]-                234.9694
    [M+Br]-                [M+Br]-                278.9189
    [M+NO3]-               [M+NO3]-               261.9884
    [M+TFA-H]-             [M+CF3COO]-            312.9856
    [M+IsoProp+H]+         [M+IPA+H]+             261.0648
    [M+DMSO+H]+            [M+DMSO+H]+            279.0212
    [M+ACN+Na]+            [M+ACN+Na]+            264.0158
    [M+2ACN+H]+            [M+2ACN+H]+            283.0604
    [M+NaFA+H]+            [M+NaFA+H]+            268.9947
    [M+NaAc+H]+            [M+NaAc+H]+            283.0104
    [M+NaAc-H]-            [M-H+NaAc]-            280.9958
    [M+NaFA-H]-            [M-H+NaFA]-            266.9801
    [M+TMS]+               [M+TMS]+               273.0468
    [M+TMS-H+H]+           [M+TMS]+               273.0468
    [M-H+TMS+H]+           [M+TMS]+               273.0468
    [M+TBA]+               [M+TBA]+               442.2842
    [M+TBA-2H]-            [M-2H+TBA]-            440.2697
    [M+HFBA-H]-            [M-H+HFBA]-            412.9792
    [M+HFBA]-              [M-H+HFBA]-            412.9792
    [M+HFIP-H]-            [M-H+HFIP]-            366.9937
    [M+HFIP+H]+            [M+HFIP+H]+            369.0083
    [M+DHB+H]+             [M+DHB+H]+             355.0339
    [M+DHB-H2O+H]+         [M-H2O+DHB+H]+         337.0233
    [M+13C+H]+             [M+[13C]+H]+           202.0106
    [M+[13C]+H]+           [M+[13C]+H]+           202.0106
    [M+37Cl]-              [M+[37Cl]]-            236.9665
    [M+[37Cl]]-            [M+[37Cl]]-            236.9665
    [M+D]+                 [M+D]+                 202.0136
    [M+[2H]]+              [M+D]+                 202.0136
    [M+2H]2+               [M+2H]2+               101.0073
    [M+2D]2+               [M+2D]2+               102.0136
    [M+CD3OD+H]+           [M+CD3OD+H]+           237.0586
    [M+Pt-H]+              [M-H+Pt]+              393.9564
    [M+Pd-H]+              [M-H+Pd]+              304.8951
    [M+Au]+                [M+Au]+                396.9660
    [M+Hg-H]+              [M-H+Hg]+              400.9623
    [M+Pb-H]+              [M-H+Pb]+              406.9683
    [M+Sn-H]+              [M-H+Sn]+              318.8938
    [M+Fe-2H]+             [M-2H+Fe]+             253.9187
    [M+Fe-H]+              [M-H+Fe]+              254.9266
    [M+Cu]+                [M+Cu]+                262.9290
    [M+Cu-H]+              [M-H+Cu]+              261.9212
    [M+Al-2H]+             [M-2H+Al]+             224.9653
    MH+                    [M+H]+                 201.0073
    [MH]+                  [M+H]+                 201.0073
    MNa+                   [M+Na]+                222.9892
    [M-e]+                 [M]+                   199.9995
    [M-e-]+                [M]+                   199.9995
    [M+e]-                 [M]-                   200.0005
    [M+NA]+                [M+Na]+                222.9892
    [M+na]+                [M+Na]+                222.9892
    [M-(H2O)+H]+           [M-H2O+H]+             182.9967
    [M-2(H2O)+H]+          [M-2H2O+H]+            164.9861
    [M-(H2O)2+H]+          [M-2H2O+H]+            164.9861
    M+                     [M]+                   199.9995
    M-                     [M]-                   200.0005
    M+.                    [M]+                   199.9995
    M+H                    [M+H]+                 201.0073
    M-H                    [M-H]-                 198.9927
    (M+H)+                 [M+H]+                 201.0073
    (2M+H)+                [2M+H]+                401.0073
    [M+H+]                 [M+H]+                 201.0073
    [M+H+]+                [M+H]+                 201.0073
    [M-Cl]-                [M-Cl]-                165.0317
    [M-Cl]+                [M-Cl]+                165.0306
    [M-Cl+O]-              [M-Cl+O]-              181.0266
    [M+O]-                 [M+O]-                 215.9955
    [M+O]+                 [M+O]+                 215.9944
    [M+OH]-                [M+H2O-H]-             217.0033
    [M+H3O]+               [M+H2O+H]+             219.0178
    [M+NH3]+               [M+NH3]+               217.0260
    [M+ACN]+               [M+ACN]+               241.0260
    [M+C]+                 [M+C]+                 211.9995
    [M+S]+                 [M+S]+                 231.9715
    [M+H-NH3]+             [M-NH3+H]+             183.9807
    [M+H-HCl]+             [M-HCl+H]+             165.0306
    [M+H-CO]+              [M-CO+H]+              173.0124
    [M+H-CO2]+             [M-CO2+H]+             157.0174
    [M-H-HCl]-             [M-HCl-H]-             163.0160
    [M-H-HF]-              [M-HF-H]-              178.9865
    [M+H-C2H4]+            [M-C2H4+H]+            172.9760
    [M+H2O+H]+             [M+H2O+H]+             219.0178
    [M+SO3-H]-             [M-H+SO3]-             278.9495
    [M+HSO4]-              [M+HSO4]-              296.9601
    [M+H3PO4-H]-           [M-H+H3PO4]-           296.9696
    [M+H2PO4]-             [M+H2PO4]-             296.9696
    [M+ClO4]-              [M+ClO4]-              298.9491
    [M+PF6]-               [M+PF6]-               344.9647
    [M+BF4]-               [M+BF4]-               287.0035
    [M+I]-                 [M+I]-                 326.9050
    [M+Ag]+                [M+Ag]+                306.9045
    [M+TEA+H]+             [M+TEA+H]+             302.1277
    [M+NaCl+H]+            [M+NaCl+H]+            258.9659
    [M+NaCl+Na]+           [M+NaCl+Na]+           280.9478
    [M+Ca]2+               [M+Ca]2+               119.9807
    [M+Mg]2+               [M+Mg]2+               111.9920
    [M+Ni-H]+              [M-H+Ni]+              256.9270
    [M+Zn-H]+              [M-H+Zn]+              262.9208
    [M-H-H2O]+             [M-H2O-H]+             180.9811
    [M-3H2O+H]+            [M-3H2O+H]+            146.9756
    [Cat]+                 [M]+                   199.9995
    [M+MeOH+H]+            [M+CH3OH+H]+           233.0335
    [3M+H]+                [3M+H]+                601.0073
    [2M-2H+Na]-            [2M-2H+Na]-            420.9747
    [2M+Ca-H]+             [2M+Ca-H]+             438.9542
    [M+K-H]+               [M-H+K]+               237.9553
    [M+H+NH4]2+            [M+H+NH4]2+            109.5206
    [2M+FA-H]-             [2M+HCOO]-             444.9982
    [M+Ac-H]-              [M+CH3COO]-            259.0139
    [M+[18O]]+             [M+[18O]]+             202.0037
    [M+SO4]-               [M+SO4]-               295.9523
    [M-SO3-H]-             [M-SO3-H]-             119.0359
    [M-H2]+                [M-H2]+                197.9838
    [M-H2+H]+              [M-H]+                 198.9916
    [MH2]2+                [M+2H]2+               101.0073
    [M-HCOOH+H]+           [M-HCOOH+H]+           155.0018
    [M-C6H10O5+H]+         [M-C6H10O5+H]+         38.9545
    [M-C6H8O6+H]+          [M-C6H8O6+H]+          24.9752
    [M+CO2-H]-             [M-H+CO2]-             242.9826
    [M+CH2+H]+             [M+CH2+H]+             215.0229
    [M+NO2]-               [M+NO2]-               245.9935
    [M+HCO3]-              [M+HCO3]-              260.9931
    [M+CN]-                [M+CN]-                226.0036
    [M+SCN]-               [M+SCN]-               257.9757
    [M+SH]-                [M+SH]-                232.9804
    [M-PO3]-               [M-PO3]-               121.0420
    [M-HPO3-H]-            [M-HPO3-H]-            119.0264
    [M+H+H2O]+             [M+H2O+H]+             219.0178
    [M+2H+Na]3+            [M+2H+Na]3+            75.0013
    [M+3Na]3+              [M+3Na]3+              89.6559
    [M+H+2Na]3+            [M+H+2Na]3+            82.3286
    [M+Cs]+                [M+Cs]+                332.9049
    [M+Rb]+                [M+Rb]+                284.9112
    [M+Mn-H]+              [M-H+Mn]+              253.9297
    [M+Co-H]+              [M-H+Co]+              257.9248
"""
# Several ions, unknown groups, formulas that no molecule has, and charges that the groups contradict.
_REFUSED = """
    [M-2H2O+H]+,[M-H2O+H]+ [M-3]+,[M-H2O+H]+ [M-H]-/[M-Ser]- [M+15]+ [M+CH3COO]-/[M-CH3]-
    [M+H]+,[M-H2O+H]+ [M+TBA+H]+ M2H [M+H20]+ [M-H20+H]+ [M+H30]+ [M+6Li]+ [M+2Li]+ [M+2H]+ [M+H]2+
    [M+H]- [M+Na]- [M+Cl]+ [M+HFXP]+ [M+PI+H]+ [M+Cl+H]+ [M+P]+ [M+B]+ [M+Et3N+H]+ [M+CHB]+
    [M+CHCA+H]+ [M+H3]3+ MH2+ [M+VO]+ [M+U]+
"""


@pytest.mark.parametrize("row", _READ.strip().splitlines(), ids=str.split)
def test_spelling(row: str) -> None:
    text, notation, mz = row.split()
    assert normalise(text) == notation
    assert normalise(notation) == notation
    assert precursor_mz(200.0, text) == pytest.approx(float(mz), abs=1e-4)


@pytest.mark.parametrize("text", _REFUSED.split())
def test_refused(text: str) -> None:
    assert normalise(text) is None


def test_named_groups_have_the_mass_of_their_molecule() -> None:
    """Values by hand: HFIP C3H2F6O 168.00098, DHB C7H6O4 154.02661, NaFA CHNaO2 67.98742."""
    assert precursor_mz(200.0, "[M+HFIP-H]-") == pytest.approx(200 + 168.00098 - 1.00728, abs=1e-4)
    assert precursor_mz(200.0, "[M+DHB+H]+") == pytest.approx(200 + 154.02661 + 1.00728, abs=1e-4)
    assert precursor_mz(200.0, "[M+NaFA-H]-") == pytest.approx(200 + 67.98742 - 1.00728, abs=1e-4)


def test_an_isotope_of_carbon_replaces_an_atom_and_one_of_chlorine_is_added() -> None:
    assert precursor_mz(200.0, "[M+13C+H]+") == pytest.approx(201.00728 + 1.00335, abs=1e-4)
    assert precursor_mz(200.0, "[M+37Cl]-") == pytest.approx(200 + 36.96590 + 0.00055, abs=1e-4)
