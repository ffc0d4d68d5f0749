// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IGradientRounds} from "../../contracts/interfaces/IGradientRounds.sol";
import {OwnerStatus} from "../../contracts/libraries/TrainingSlots.sol";
import {TrainingState} from "../../contracts/libraries/TrainingStates.sol";
import {Reenterer} from "./Accounts.sol";
import {TestToken} from "./GradientTokens.sol";
import {TrainingTest} from "./TrainingTest.sol";

/// @notice Whoever is called in the middle of a payment finds it written down. The guard keeps it from entering
/// again, but reading is open, and another contract may act on what it reads.
contract TrainingPaymentsTest is TrainingTest {
    Reenterer private _payee;

    function setUp() public override {
        super.setUp();
        _payee = new Reenterer();
        vm.deal(address(_payee), 1 ether);
    }

    function test_aPayoutIsWrittenBeforeItIsPaid() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        IGradientRounds.RoundPayout memory inside = IGradientRounds.RoundPayout(0, address(_payee), 5);
        _attestRound(id, terms, _pair(_payoutLeaf(inside), "other"));
        _reads(abi.encodeCall(rounds.roundPurse, (id, 1)));
        _reads(abi.encodeCall(rounds.isClaimed, (id, 1, 0)));
        rounds.claim(_claimOf(id, 1, address(0), inside, "other"));
        (uint256 unclaimed,) = abi.decode(_payee.answers(0), (uint256, bytes32));
        _eq(unclaimed, uint256(REWARD) + ROUND_FEE - 5, "unclaimed");
        _true(abi.decode(_payee.answers(1), (bool)), "claimed");
    }

    function test_aPayoutBeyondTheInlineBitsIsWrittenBeforeItIsPaid() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        IGradientRounds.RoundPayout memory beyond = IGradientRounds.RoundPayout(160, address(_payee), 5);
        _attestRound(id, terms, _pair(_payoutLeaf(beyond), "other"));
        _reads(abi.encodeCall(rounds.isClaimed, (id, 1, 160)));
        rounds.claim(_claimOf(id, 1, address(0), beyond, "other"));
        _true(abi.decode(_payee.answers(0), (bool)), "claimed");
    }

    function test_aDepositIsWithdrawnBeforeItIsPaid() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        _payee.execute(address(rounds), DEPOSIT, abi.encodeCall(rounds.join, (id, terms)));
        _payee.execute(address(rounds), 0, abi.encodeCall(rounds.leaveTraining, (id)));
        vm.warp(START + EVIDENCE + 1);
        _reads(abi.encodeCall(rounds.dataOwner, (id, address(_payee))));
        rounds.withdraw(id, terms, address(_payee));
        _read(OwnerStatus.Withdrawn);
    }

    function test_aConvictionIsWrittenBeforeItIsPaid() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        _attestRound(id, terms, keccak256("payouts"));
        _reads(abi.encodeCall(rounds.dataOwner, (id, _owner(0))));
        _reads(abi.encodeCall(rounds.training, (id)));
        _payee.execute(address(rounds), 0, _report(id, terms));
        _read(OwnerStatus.Convicted);
        _eq(abi.decode(_payee.answers(1), (IGradientRounds.Training)).owners, 4, "owners");
    }

    function test_aRefundAndAForfeitAreWrittenBeforeTheyArePaid() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _openedByPayee();
        _join(id, terms, 0);
        vm.prank(STRANGER);
        (bool reported,) = address(rounds).call(_report(id, terms));
        _true(reported, "convicted");
        _reads(abi.encodeCall(rounds.dataOwner, (id, _owner(0))));
        rounds.payForfeit(id, terms, _owner(0));
        _read(OwnerStatus.Forfeited);

        _payee = new Reenterer();
        vm.deal(address(_payee), 1 ether);
        (id, terms) = _openedByPayee();
        vm.warp(START + JOIN + 1);
        rounds.expire(id, terms);
        _reads(abi.encodeCall(rounds.training, (id)));
        rounds.refund(id, terms);
        IGradientRounds.Training memory seen = abi.decode(_payee.answers(0), (IGradientRounds.Training));
        _true(seen.state == TrainingState.Refunded, "state of the training");
    }

    function test_whoJoinsHasJoinedBeforeItsTokensAreTaken() public {
        TestToken token = new TestToken();
        IGradientRounds.TrainingRequest memory request = _asked();
        request.token = address(token);
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.acceptToken(address(token), 0);
        }
        token.mint(MODEL_OWNER, 1e9);
        vm.prank(MODEL_OWNER);
        token.approve(address(rounds), 1e9);
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _openWith(request);
        token.behave(TestToken.Manner.Reentering);
        for (uint256 i; i < 2; ++i) {
            token.mint(_owner(i), DEPOSIT);
            vm.prank(_owner(i));
            token.approve(address(rounds), DEPOSIT);
            if (i == 0) token.prepare(address(rounds), abi.encodeCall(rounds.training, (id)));
            else token.prepare(address(rounds), abi.encodeCall(rounds.dataOwner, (id, _owner(1))));
            _join(id, terms, i);
            if (i == 0) _eq(abi.decode(token.answer(), (IGradientRounds.Training)).owners, 1, "owners");
        }
        IGradientRounds.DataOwner memory seen = abi.decode(token.answer(), (IGradientRounds.DataOwner));
        _true(seen.status == OwnerStatus.Joined, "status of the data owner");
    }

    // ---- helpers -----------------------------------------------------------------------------------

    /// Lets the payee call this when it is paid.
    function _reads(bytes memory data) private {
        _payee.prepare(address(rounds), data);
    }

    /// What its first call found.
    function _read(OwnerStatus expected) private view {
        IGradientRounds.DataOwner memory seen = abi.decode(_payee.answers(0), (IGradientRounds.DataOwner));
        _eq(uint256(seen.status), uint256(expected), "status of the data owner");
    }

    function _report(uint256 id, IGradientRounds.TrainingTerms memory terms) private view returns (bytes memory) {
        IGradientRounds.SignedCommitment[2] memory two = _pairOf(_ownerKey(0), id, 1, "a", "b");
        return abi.encodeCall(rounds.convictOwner, (id, terms, _owner(0), 1, two));
    }

    function _openedByPayee() private returns (uint256 id, IGradientRounds.TrainingTerms memory terms) {
        IGradientRounds.TrainingRequest memory request = _asked();
        terms = _termsFor(request);
        terms.modelOwner = address(_payee);
        bytes32 modelRoot = _root(0, 0, address(_payee), request.modelHashes);
        terms.specHash = keccak256(abi.encode(request.algorithm, _set(), modelRoot, keccak256(request.spec)));
        _payee.execute(address(rounds), _cost(terms), abi.encodeCall(rounds.open, (request)));
        id = rounds.trainingCount();
    }
}
